"""Tests of `local.running.leash`: no process stays behind, however the command ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from local.running.leash import Leashed
from local.setup.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_DEADLINE_SECONDS = 15.0

# A parent with a child, as wrangler is with workerd; both say who they are, and wait.
_FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
_STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)
"""
_STARTER = """
import os, sys, time
from pathlib import Path
from local.running.leash import Leashed
Leashed.start([sys.executable, "-c", sys.argv[2]], log=Path(sys.argv[1]),
              environment=dict(os.environ), folder=Path.cwd())
time.sleep(600)
"""


def _until(what: Callable[[], T]) -> T:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def _pids(log: Path) -> list[int]:
    return [int(word) for word in log.read_text().split()] if log.exists() else []


def _gone(pids: list[int]) -> bool:
    return not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    """Whether a process runs. A zombie does not run."""
    command = f"ps -o stat= -p {pid}"
    status = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    return bool(status.stdout) and not status.stdout.startswith("Z")


def _start(log: Path, script: str) -> Leashed:
    return Leashed.start(
        [sys.executable, "-c", script],
        log=log,
        environment=dict(os.environ),
        folder=Layout().root,
    )


def test_ending_it_ends_its_children_too(tmp_path: Path) -> None:
    """The whole group ends, not only the first process."""
    leashed = _start(tmp_path / "log", _FAMILY)
    pids = _until(lambda: _pids(leashed.log))
    assert leashed.is_running()

    leashed.end()

    assert not leashed.is_running()
    _until(lambda: _gone(pids))


def test_children_go_when_the_command_ends_by_itself(tmp_path: Path) -> None:
    """After a crash of wrangler, no runtime may keep its port."""
    leashed = _start(tmp_path / "log", _FAMILY)
    pids = _until(lambda: _pids(leashed.log))

    os.kill(pids[0], signal.SIGKILL)

    _until(lambda: not leashed.is_running())
    _until(lambda: _gone(pids))
    leashed.end()


def test_killing_it_leaves_nothing_running(tmp_path: Path) -> None:
    """It also ends a process that ignores SIGTERM."""
    leashed = _start(tmp_path / "log", _STUBBORN)
    pids = _until(lambda: _pids(leashed.log))

    leashed.kill()

    assert not leashed.is_running()
    _until(lambda: _gone(pids))
    leashed.end()


def test_a_command_that_will_not_end_is_ended(tmp_path: Path) -> None:
    """It gets SIGKILL after some seconds."""
    leashed = _start(tmp_path / "log", _STUBBORN)
    pids = _until(lambda: _pids(leashed.log))

    leashed.end()

    _until(lambda: _gone(pids))


def test_a_killed_starter_takes_it_along(tmp_path: Path) -> None:
    """A starter that was killed could not clean up."""
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": str(Layout().root)}
    starter = subprocess.Popen([sys.executable, "-c", _STARTER, str(log), _FAMILY], env=environment)
    pids = _until(lambda: _pids(log))

    starter.kill()
    starter.wait()

    _until(lambda: _gone(pids))
