"""Wait for what the queue or a started process brings about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

PATIENCE_SECONDS: Final = 60.0
"""How long an outcome of the queue is waited for; it usually takes two."""

PAUSE_SECONDS: Final = 0.1
"""Between two looks at what is waited for."""


def wait_for(
    look: Callable[[], Found | None], what: str, seconds: float = PATIENCE_SECONDS
) -> Found:
    """What `look` finds, asked again and again until it is something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(PAUSE_SECONDS)
    return found
