"""A failed test is printed with the command that repeats it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LINKED: Final = (".venv", "src", "local")
COPIED: Final = ("pyproject.toml", *(f"tests/{name}.py" for name in ("repeating", "scheduling")))
MODULE: Final = '''
import os

import pytest

import cognate


@pytest.fixture
def broken():
    raise RuntimeError


def test_passes():
    """Is not repeated."""


@pytest.mark.parametrize("text", ["it's $HOME", "a [b]::c d"])
def test_fails(text):
    """Has ids that a shell would read otherwise."""
    assert text == cognate


def test_has_an_error(broken):
    """Fails before it begins."""


def test_needs_a_variable(record_property):
    """Asks for what it was drawn from."""
    record_property("variable", "SEED=7 and 8")
    assert os.environ.get("SEED") == "6"
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a module of failing tests in each folder of tests."""
    for folder in ("unit", "contract", "worker"):
        module = tmp_path / "tests" / folder / "test_failing.py"
        module.parent.mkdir(parents=True)
        module.write_text(MODULE, "utf-8")
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    for name in (*COPIED, "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(checkout: Path, command: str, status: int = 1) -> str:
    """Run a command in a fresh shell, which fails with this status; what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=checkout,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_each_printed_command_repeats_one_failure(checkout: Path) -> None:
    """In a fresh shell; the same tests fail in the same way, each alone."""
    output = run(checkout, ".venv/bin/pytest -n 1 tests")

    at_once, printed = output.split("repeat a failed test", 1)
    commands = sorted(line for line in printed.splitlines() if ".venv/bin/pytest" in line)
    assert len(commands) == 12
    for folder in ("contract", "unit", "worker"):
        assert 4 == sum(f"tests/{folder}/" in command for command in commands)
    # Each stands among the dots already, long before the end.
    progress, _ = at_once.split("= FAILURES =", 1)
    assert [command for command in commands if f"FAILED  {command}\n" not in progress] == []
    # One of each kind.
    for command in (each for each in commands if "tests/worker/" in each):
        repeated = run(checkout, command)
        assert command in repeated
        assert "1 failed in" in repeated or "1 error in" in repeated, repeated


def test_a_module_that_cannot_be_imported_is_named(checkout: Path) -> None:
    """Its own error is printed, and the command that runs the module again."""
    (checkout / "tests" / "unit" / "test_broken.py").write_text("import nothing_there", "utf-8")

    output = run(checkout, ".venv/bin/pytest tests/unit/test_broken.py", status=2)

    assert "No module named 'nothing_there'" in output
    assert "PYTHONPATH=src .venv/bin/pytest tests/unit/test_broken.py" in output
