"""Choose the Python that runs the set-up: any but that of the environment which the set-up makes.

In a shell where `.venv` is activated, `python3` is the environment's own Python. To make an
environment anew, the set-up first empties it, so that Python would delete itself half-way.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.setup.steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.setup.layout import Layout

_NAMES: Final = ("python3", "python")


def python_to_change_to(
    layout: Layout, prefix: str = sys.prefix, environment: Mapping[str, str] = os.environ
) -> str | None:
    """The Python to run the set-up with instead of this one; None where this one will do.

    The first choice is the Python that made the environment, the second the first one in PATH.

    Args:
        layout: of the checkout that is set up.
        prefix: of the running Python.
        environment: has the PATH.

    Raises:
        SetupError: this Python is the environment's own, and there is no other.
    """
    own = layout.virtual_environment
    if not _same(Path(prefix), own):
        return None
    if layout.maker.is_file():
        maker = layout.maker.read_text("utf-8")
        if os.access(maker, os.X_OK):
            return maker
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not _same(Path(folder), own / "bin"))
    for name in _NAMES:
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    raise SetupError(
        "The set-up cannot run from the environment that it makes, and PATH has no other Python: "
        "name one, as in `make dev PYTHON=/usr/bin/python3`."
    )


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
