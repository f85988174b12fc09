"""Run a command so that it, and all it starts, ends when whoever started it ends.

`python -m local.running.leash COMMAND...` is the first process of a session of its own. It reads
its standard input, a pipe that the starter holds open. When the pipe closes, because the starter
closed it, died, or was killed, the whole group is ended: politely, and after a few seconds for
good.
`wrangler dev` starts a tree of processes, and none of them may be left behind.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_POLITE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2


def hold(command: list[str]) -> None:
    """Run `command` until it ends or standard input closes, then end the whole group."""
    # The group's signals are for the others in it; this process goes last. A handler that does
    # nothing, unlike SIG_IGN, is not handed on to the command.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stay)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            os.killpg(0, signal.SIGTERM)
            break
    try:
        child.wait(timeout=_POLITE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        os.killpg(0, signal.SIGKILL)


def _stay(_number: int, _frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    hold(sys.argv[1:])
