"""Waiting for what becomes true after a while, on any platform."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DEADLINE_SECONDS: Final = 30.0
"""Far more than anything here takes; it only ends what would wait for ever."""

_PAUSE_SECONDS: Final = 0.05
"""Between two looks, so that what is waited for has its turn."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until the answer is true.

    `condition` must call the platform: the clock of the Workers' runtime stands still otherwise.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not await condition():
        assert time.monotonic() < deadline, f"not true after {DEADLINE_SECONDS:.0f} seconds"
        await asyncio.sleep(_PAUSE_SECONDS)
