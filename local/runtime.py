"""The script that Miniflare starts in workerd's place, so that it finds our Pyodide bundle.

Miniflare knows no option for the folder of Pyodide bundles, but lets a variable name another
executable than its own.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def workerd_script(workerd: Path, bundles: Path) -> str:
    """A POSIX shell script that adds the folder of bundles to `workerd serve` and nothing else."""
    executable = shlex.quote(str(workerd))
    folder = shlex.quote(str(bundles))
    return f"""#!/bin/sh
# Made by local/runtime.py.
if [ "$1" = serve ]; then
  shift
  exec {executable} serve --pyodide-bundle-disk-cache-dir={folder} "$@"
fi
exec {executable} "$@"
"""


def write_workerd_script(workerd: Path, bundles: Path, target: Path) -> None:
    """Write the script to `target` and make it executable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(workerd_script(workerd, bundles), encoding="utf-8")
    target.chmod(0o755)
