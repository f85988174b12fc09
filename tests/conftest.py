"""What every test has."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutines run on asyncio, as they do in the Worker."""
    return "asyncio"
