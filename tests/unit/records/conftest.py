"""A new stage for each test."""

from __future__ import annotations

import pytest

from tests.stage.records import RecordsStage as Stage


@pytest.fixture
def stage() -> Stage:
    """Three empty tables."""
    return Stage()
