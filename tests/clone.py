"""A clean clone of this checkout, as its next commit would have it: nothing that was installed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def clean_clone(folder: Path) -> Path:
    """Clone the files that git does not ignore, edits included, into a new folder below `folder`.

    They go through a repository of their own, because not every copy of the sources has one.
    """
    repository, clone = folder / "repository.git", folder / "clone"
    _git("init", "--quiet", "--bare", str(repository))
    own = (f"--git-dir={repository}", f"--work-tree={ROOT}")
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    _git(*own, "add", "--all")
    _git(*own, *author, "commit", "--quiet", "--message=Everything", "--no-gpg-sign")
    _git("clone", "--quiet", str(repository), str(clone))
    return clone


def _git(*arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the git of whoever runs the tests
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
