"""A fresh stage for each test."""

from __future__ import annotations

import pytest

from tests.unit.records.stage import Stage


@pytest.fixture
def stage() -> Stage:
    """Three tables with nothing in them."""
    return Stage()
