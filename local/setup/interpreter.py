"""Choose the Python that runs the set-up. It must not be the Python of `.venv`.

In a shell where `.venv` is activated, `python3` is the Python of `.venv`. The set-up empties
`.venv` before it makes it again, so that Python would delete itself.
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
    """The Python that must run the set-up instead of this one; None if this one may run it.

    The first choice is the Python that made `.venv`. The second choice is the first one in PATH.

    Args:
        layout: the checkout to set up.
        prefix: the prefix of the running Python.
        environment: the variables, PATH among them.

    Raises:
        SetupError: this is the Python of `.venv`, and there is no other.
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
