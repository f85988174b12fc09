"""Fixtures of the tests of the local platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for compiled modules. All checks of sources share it, because compiling is slow."""
    return tmp_path_factory.mktemp("compiled")
