"""A server process on a leash: it cannot outlive the program that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_END_SECONDS: Final = 15.0
"""More than the leash itself takes to end what it holds."""


@dataclass(frozen=True)
class Leashed:
    """A started command, with its output in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls, command: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path
    ) -> Leashed:
        """Start `command` in a session of its own, away from the terminal's Ctrl-C."""
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
        """Kill what is left of the whole group where it stands, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=_END_SECONDS)

    def release(self) -> None:
        """Tell the whole group to end, without waiting for it."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def end(self) -> None:
        """End the whole group and wait until it has ended."""
        self.release()
        self.process.wait(timeout=_END_SECONDS)
