"""A fresh stage for each test."""

from __future__ import annotations

import pytest

from tests.stage.http import ApiStage as Stage


@pytest.fixture
def stage() -> Stage:
    """An application with two organizations and nothing in them."""
    return Stage()
