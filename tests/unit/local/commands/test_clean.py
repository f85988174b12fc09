"""`make clean` removes the data of `make dev`, and needs only make and Python."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.commands.clean import LOCK, clean
from local.setup.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a checkout that has run."""
    found = tmp_path / ".local" / "state"
    (found / "wrangler").mkdir(parents=True)
    (found / LOCK).touch()
    return found


def test_the_state_is_removed(state: Path) -> None:
    """The second call has nothing to do."""
    assert clean(state) is None
    assert not state.exists()
    assert clean(state) is None


def test_what_runs_is_left_alone(state: Path) -> None:
    """Two processes on one SQLite file would lose data."""
    with (state / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        sentence = clean(state)

    assert sentence == "Cognate is running: end it first, with Ctrl-C in its terminal."
    assert (state / "wrangler").is_dir()


def test_make_needs_no_other_program(state: Path, tmp_path: Path) -> None:
    """It needs no `flock`, which macOS lacks, and no installed package."""
    programs = tmp_path / "bin"
    programs.mkdir()
    make = shutil.which("make")
    assert make is not None
    (programs / "python3").symlink_to(sys.executable)
    (tmp_path / "local" / "commands").mkdir(parents=True)
    for name in ("Makefile", "local/__init__.py", "local/commands/clean.py"):
        shutil.copy(ROOT / name, tmp_path / name)

    done = subprocess.run(
        [make, "clean"],
        cwd=tmp_path,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert not state.exists()
