"""`make clean`: remove the data of `make dev`, unless `make dev` is running.

It uses the standard library alone, because it must work where nothing is installed.
"""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path
from typing import Final

from local import PROJECT

STATE: Final = Path(__file__).parents[2] / ".local" / "state"
LOCK: Final = "lock"
"""The file of the state folder that a running `local.running.local_worker` holds."""


def clean(state: Path = STATE) -> str | None:
    """Remove the state folder.

    Returns:
        One sentence that says why it was left alone; None if it is removed.
    """
    if not state.exists():
        return None
    with (state / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return f"{PROJECT} is running: end it first, with Ctrl-C in its terminal."
        shutil.rmtree(state)
    return None


if __name__ == "__main__":
    sys.exit(clean())
