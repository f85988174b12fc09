"""Wait for what the queue or a started process brings about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

PATIENCE_SECONDS: Final = 150.0
"""Until an outcome of the queue is given up. It usually takes two; on a machine that is busy with
more, and after pauses between tries, it takes a minute."""

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
