"""Tests of `local.setup.memory_snapshot`; `tests/worker` saves real snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.setup.layout import ROOT, Layout
from local.setup.memory_snapshot import (
    DEDICATED_FLAG,
    Compatibility,
    SnapshotError,
    load_options,
    reason_of,
    save_options,
    save_snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

COMPATIBILITY = Compatibility("2026-11-17", ("python_workers",))


def _runtime(folder: Path, program: str) -> str:
    """A stand-in for workerd: a shell script."""
    script = folder / "workerd"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    return str(script)


def _worker(folder: Path) -> Path:
    worker = folder / "worker" / "main.py"
    (worker.parent / "package").mkdir(parents=True)
    worker.write_text("")
    (worker.parent / "package" / "code.py").write_text("")
    (worker.parent / "package" / "code.so").write_bytes(b"")
    return worker


def test_a_snapshot_is_named_with_its_folder(tmp_path: Path) -> None:
    """The runtime has one option for the folder and one for the name."""
    assert load_options(tmp_path / "base.bin") == [
        f"--python-snapshot-dir={tmp_path}",
        "--python-load-snapshot=base.bin",
    ]


def test_a_snapshot_on_top_of_another_leaves_that_one_as_it_is(tmp_path: Path) -> None:
    """The runtime uses one folder for both, so the base is copied under another name."""
    (tmp_path / "snapshot.bin").write_bytes(b"base")
    (tmp_path / "new").mkdir()

    options = save_options(tmp_path / "new", tmp_path / "snapshot.bin")

    assert options == [
        f"--python-snapshot-dir={tmp_path / 'new'}",
        "--python-load-snapshot=base.bin",
        "--python-save-snapshot",
    ]
    assert (tmp_path / "new" / "base.bin").read_bytes() == b"base"


def test_every_file_of_a_worker_is_uploaded(tmp_path: Path) -> None:
    """The main module is first; Python files are modules, all others are data."""
    runtime = _runtime(tmp_path, f"echo saved > {tmp_path}/worker/snapshot.bin")

    saved = save_snapshot([runtime], worker := _worker(tmp_path), COMPATIBILITY)

    configuration = (worker.parent / "worker.capnp").read_text("utf-8")
    modules = [line.strip(" ,") for line in configuration.splitlines() if "embed" in line]
    assert modules == [
        '(name = "main.py", pythonModule = embed "main.py")',
        '(name = "package/code.py", pythonModule = embed "package/code.py")',
        '(name = "package/code.so", data = embed "package/code.so")',
    ]
    assert 'compatibilityFlags = ["python_workers"]' in configuration
    assert saved.read_text() == "saved\n"


@pytest.mark.parametrize(
    "program",
    ["echo 'Uncaught Error: no import'; exit 1", "echo 'Uncaught Error: no import'"],
    ids=["it-fails", "it-saves-nothing"],
)
def test_a_worker_that_cannot_be_saved_is_an_error(program: str, tmp_path: Path) -> None:
    """The message is workerd's reason, also if workerd succeeds and saves nothing."""
    with pytest.raises(SnapshotError, match=r"^no import$"):
        save_snapshot([_runtime(tmp_path, program)], _worker(tmp_path), COMPATIBILITY)


def test_a_runtime_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """This happens if the npm package of the platform is missing."""
    with pytest.raises(SnapshotError, match="No such file"):
        save_snapshot([str(tmp_path / "none")], _worker(tmp_path), COMPATIBILITY)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "service worker: Uncaught Error: Traceback:\n  ValueError: no\n\n  at asm:53\n  at x",
            "Traceback:\n  ValueError: no",
        ),
        ("\x1b[31mERROR\x1b[0m Uncaught Error: Can't serialize\x1b[0m", "Can't serialize"),
        ("of another form\n", "of another form"),
    ],
    ids=["traceback", "colours", "unknown"],
)
def test_the_reason_is_what_a_person_needs(output: str, reason: str) -> None:
    """It omits workerd's own stack. Output of an unknown form is kept whole."""
    assert reason_of(output) == reason


def test_workers_start_from_the_snapshot_of_the_setup() -> None:
    """The script names it, and no local flag asks for another kind."""
    layout = Layout()

    assert all(
        option in layout.workerd.read_text("utf-8") for option in load_options(layout.snapshot)
    )
    assert DEDICATED_FLAG not in Compatibility.local(ROOT / "wrangler.toml").flags
