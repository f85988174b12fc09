"""Make a checkout ready to run, from nothing but Python, pip and the package registries.

The system's Python runs it (`python3 -m local.setup.bootstrap`), so it uses the standard library
alone. Every version is pinned, and the hash of every download is checked. A second run does
nothing.
"""

from __future__ import annotations

import sys

from local import PROJECT

if sys.version_info < (3, 11):  # noqa: UP036 - the system's Python may be any
    sys.exit(
        "{} needs Python 3.11 or newer, and this is Python {}.{}: install one and name it, "
        "as in `make dev PYTHON=python3.12`.".format(PROJECT, *sys.version_info[:2])
    )

import fcntl
import os
from typing import TYPE_CHECKING

from local.setup.installation import installation_steps
from local.setup.interpreter import python_to_change_to
from local.setup.layout import Layout
from local.setup.steps import SetupError, run_steps, say

if TYPE_CHECKING:
    from collections.abc import Iterator

from contextlib import contextmanager


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Let one set-up run at a time. `make dev` and `make test` may start together."""
    layout.generated.mkdir(parents=True, exist_ok=True)
    with (layout.generated / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def set_up() -> int:
    """Install what is missing. Returns the exit status."""
    layout = Layout()
    try:
        other = python_to_change_to(layout)
        if other is not None:
            os.execv(other, [other, "-m", "local.setup.bootstrap"])  # noqa: S606 - this program again
        with _alone(layout):
            run_steps(installation_steps(layout), layout.generated / "stamps", say)
    except SetupError as error:
        say(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; the same command goes on from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(set_up())
