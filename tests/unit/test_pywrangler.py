"""Cloudflare's `pywrangler` accepts the checkout, for those who prefer it to wrangler alone."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from local.setup.layout import Layout
from tests.clone import clean_clone

if TYPE_CHECKING:
    from pathlib import Path

UV = """#!/bin/sh
echo "$*" >> "$RECORD"
case "$1 $2" in
  "--version ") echo "uv 0.13.8" ;;
  "pip compile") echo "No interpreter found for $6" >&2; exit 2 ;;
esac
"""
"""Stands in for uv on a machine that cannot download Pyodide's interpreter."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clean clone, beside the stand-in for uv."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    return clean_clone(tmp_path)


def run(clone: Path) -> tuple[str, list[str]]:
    """What `pywrangler sync` prints, and the calls of uv that it makes."""
    programs, record = clone.parent / "programs", clone.parent / "record"
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    done = subprocess.run(
        [str(Layout().python.with_name("pywrangler")), "sync"],
        cwd=clone,
        env={**os.environ, "PATH": path, "RECORD": str(record), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    calls = record.read_text().splitlines() if record.is_file() else []
    return done.stdout, calls


def test_pywrangler_gets_as_far_as_its_interpreter(clone: Path) -> None:
    """It reads both configurations, and hands pyproject.toml to uv for Pyodide's Python."""
    said, calls = run(clone)

    assert "requirements.txt" not in said
    assert calls[0] == f"venv {clone}/.venv-workers --python python3.14"
    assert re.fullmatch(
        rf"pip compile {clone}/pyproject\.toml \S+ --python (cpython-3\.14\.\d+-emscripten\S*) .*",
        calls[-1],
    )
    assert "No interpreter found" in said


def test_a_lock_file_in_the_root_would_be_refused(clone: Path) -> None:
    """The reason why the lock files have a folder of their own."""
    (clone / "requirements.txt").write_text("pydantic\n")
    said, calls = run(clone)

    assert "requirements.txt exists. Delete the file to continue." in said
    assert calls == []
