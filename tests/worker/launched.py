"""`make dev` on a copy of the checkout, as a person uses it: its output, files and processes."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import httpx

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.running.leash import Leashed
from local.running.loopback import HOST, free_port
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS: Final = 120.0
"""Ten on an idle machine."""


@dataclass
class Launched:
    """One run of `make dev` after the other, on the same checkout, data and port.

    Attributes:
        checkout: the copy, whose files a test may change.
        folder: of the data and of what was printed.
    """

    checkout: Path
    folder: Path
    port: int = field(default_factory=free_port)
    _leashed: Leashed | None = None
    _mark: int = 0

    @property
    def schema(self) -> Path:
        """The file that a person edits."""
        return self.checkout / "src" / "schema.py"

    @property
    def output(self) -> str:
        """What was printed since the last start."""
        return (self.folder / "output").read_text("utf-8", errors="replace")

    @property
    def http(self) -> httpx.Client:
        """A client of the Worker, in the session of the first demonstration organization."""
        session = f"Bearer {DEMO_ORGANIZATIONS[0].session_token}"
        return httpx.Client(
            base_url=f"http://{HOST}:{self.port}",
            headers={"authorization": session},
            timeout=60,
            trust_env=False,
        )

    def start(self) -> Self:
        """Start `make dev` and wait for its greeting."""
        self._mark = 0
        command = [str(self.checkout / ".venv" / "bin" / "python"), "-m", "local.commands.develop"]
        # It ends with the tests, also where these are killed.
        leashed = self._leashed = Leashed.start(
            [*command, f"--port={self.port}", f"--state={self.folder / 'state'}"],
            log=self.folder / "output",
            environment={**os.environ, "PYTHONPATH": "src"},
            folder=self.checkout,
        )
        wait_for(
            lambda: not leashed.is_running() or "Press Ctrl-C to stop" in self.output,
            "the greeting",
            START_SECONDS,
        )
        assert leashed.is_running(), self.output
        return self

    def end(self) -> None:
        """Press Ctrl-C and wait until everything has ended."""
        [launcher] = self._pids("-m local.commands.develop")
        os.kill(launcher, signal.SIGINT)
        self._wait()
        assert self.output.endswith("Cognate has stopped; its data is kept.\n"), self.output

    def kill(self) -> None:
        """Kill every process of `make dev` where it stands, as a power cut would."""
        for pid in self._pids("", leashes=True):
            os.kill(pid, signal.SIGKILL)
        self._wait()

    def kill_one(self, words: str) -> None:
        """Kill the one process of `make dev` whose command line has these words."""
        self._mark = len(self.output)
        [pid] = self._pids(words)
        os.kill(pid, signal.SIGKILL)

    def wait_for_output(self, text: str, seconds: float = START_SECONDS) -> None:
        """Wait until `make dev` has printed this since a file was saved or a process killed."""
        wait_for(lambda: text in self.output[self._mark :], repr(text), seconds)

    def save(self, text: str) -> None:
        """Save `src/schema.py` as an editor does."""
        self._mark = len(self.output)
        self.schema.write_text(text, "utf-8")

    def _wait(self) -> None:
        assert self._leashed is not None
        self._leashed.process.wait(timeout=START_SECONDS)

    def _pids(self, words: str, *, leashes: bool = False) -> list[int]:
        """The processes of `make dev` whose command line has these words."""
        assert self._leashed is not None
        listed = subprocess.run(
            ["/bin/ps", "-A", "-ww", "-o", "pid=,ppid=,args="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [(*line.split(maxsplit=2), "")[:3] for line in listed.splitlines()]
        family, before = {str(self._leashed.process.pid)}, set[str]()
        while family != before:
            before = family
            family = family | {pid for pid, parent, _ in rows if parent in family}
        return [
            int(pid)
            for pid, _, line in rows
            if pid in family and words in line and (leashes or "local.running.leash" not in line)
        ]
