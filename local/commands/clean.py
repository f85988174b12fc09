"""`make clean`: forget the data of `make dev`, unless it is running.

It imports the standard library only, because it must work where nothing is installed.
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path
from typing import Final

STATE: Final = Path(__file__).parents[2] / ".local" / "state"
LOCK: Final = "lock"
"""Whoever runs holds this file in the state's folder, see `local.running.local_worker`."""


def clean(state: Path = STATE) -> str | None:
    """Remove the folder of the state.

    Returns:
        Why it was left alone, in one sentence; None where it is gone.
    """
    if not state.exists():
        return None
    with (state / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return "Cognate is running: end it first, with Ctrl-C in its terminal."
        shutil.rmtree(state)
    return None


if __name__ == "__main__":
    sys.exit(clean())
