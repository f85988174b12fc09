"""Tests of `local.setup.workerd_script`: it adds options to one command."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from local.setup.workerd_script import bundle_option, write_workerd_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script for a workerd that prints its arguments. Its folder has a space in the name."""
    workerd = tmp_path / "a folder" / "workerd"
    workerd.parent.mkdir()
    workerd.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    workerd.chmod(0o755)
    target = tmp_path / "made" / "workerd"
    bundle = tmp_path / "a folder" / "bundles" / "bundle.bin"
    write_workerd_script(workerd, [bundle_option(bundle), "--more"], target)
    return target


def _arguments(script: Path, *arguments: str) -> list[str]:
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_serve_is_told_where_the_bundles_are(script: Path, tmp_path: Path) -> None:
    """The options come first, and the arguments of Miniflare follow unchanged."""
    option = f"--pyodide-bundle-disk-cache-dir={tmp_path / 'a folder' / 'bundles'}"

    assert _arguments(script, "serve", "--binary", "a b") == [
        "serve",
        option,
        "--more",
        "--binary",
        "a b",
    ]


def test_other_commands_stay_as_they_are(script: Path) -> None:
    """Miniflare also asks for the version."""
    assert _arguments(script, "--version") == ["--version"]
