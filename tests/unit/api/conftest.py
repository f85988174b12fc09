"""The stage of the API tests."""

from __future__ import annotations

import pytest

from tests.stage.http import ApiStage as Stage


@pytest.fixture
def stage() -> Stage:
    """Two organizations and no records."""
    return Stage()
