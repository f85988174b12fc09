"""Run a server so that it, and all that it starts, ends when its starter ends.

`wrangler dev` starts a tree of processes, and none of them may be left behind. So
`Leashed.start` runs a command through `python -m local.running.leash COMMAND...`, which is the
first process of a session of its own. That process reads its standard input, a pipe that the
starter holds open. The pipe closes when the starter closes it, dies or is killed. Then the whole
group gets SIGTERM, and SIGKILL a few seconds later.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_POLITE_SECONDS: Final = 5.0
"""Between SIGTERM and SIGKILL."""

_END_SECONDS: Final = 15.0
"""More than the leash takes to end its group."""

_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Leashed:
    """A started command, with its output in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path
    ) -> Leashed:
        """Start `command` in a session of its own, which the terminal's Ctrl-C does not reach."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.running.leash", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        return cls(process, log)

    def is_running(self) -> bool:
        """Whether the command has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """Kill the whole group at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=_END_SECONDS)

    def release(self) -> None:
        """Tell the whole group to end. Does not wait."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def end(self) -> None:
        """End the whole group and wait until it has ended."""
        self.release()
        self.process.wait(timeout=_END_SECONDS)


def hold(command: list[str]) -> None:
    """Run `command` until it ends or standard input closes. Then end the whole group."""
    # This process must end last, so it ignores the signals that it sends to its group. It uses a
    # handler and not SIG_IGN, because the command would inherit SIG_IGN.
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
