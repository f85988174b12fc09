"""What `wrangler deploy` would upload, by its dry run: the deployed bundle and nothing else."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from local.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

_UPLOADED_SUFFIXES = (".py", ".txt", ".html", ".sql")
"""What wrangler takes from a Python Worker's folder."""


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the dry run wrote."""
    layout = Layout()
    target = tmp_path_factory.mktemp("upload")
    done = subprocess.run(
        layout.wrangler("deploy", "--dry-run", "--env=", f"--outdir={target}"),
        cwd=layout.root,
        env=layout.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_sources_are_uploaded_and_nothing_else(upload: Path) -> None:
    """Beside the vendored packages there is exactly what lies in `src/`."""
    uploaded = {name for name in _files(upload) if not name.startswith("python_modules/")}

    assert _files(Layout().root / "src") == uploaded - {"README.md"}


def test_every_source_is_of_a_kind_that_is_uploaded() -> None:
    """A file of another kind below `src/` would be missing in production without a word."""
    sources = _files(Layout().root / "src")

    assert {name for name in sources if not name.endswith(_UPLOADED_SUFFIXES)} == set()


def test_the_vendored_packages_come_along_whole(upload: Path) -> None:
    """The uploaded packages are the files of `python_modules/`, all of them."""
    vendored = _files(Layout().python_modules)

    assert vendored != set()
    assert vendored == _files(upload / "python_modules")
