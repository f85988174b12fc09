"""The script that Miniflare starts in workerd's place, so that workerd gets options of ours.

Miniflare knows no option for the folder of Pyodide bundles or for a memory snapshot, but lets a
variable name another executable than its own.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def bundle_option(bundle: Path) -> str:
    """The option that lets workerd find the Pyodide bundle in place of a download."""
    return f"--pyodide-bundle-disk-cache-dir={bundle.parent}"


def workerd_script(workerd: Path, options: Sequence[str]) -> str:
    """A POSIX shell script that adds `options` to `workerd serve` and nothing else."""
    executable = shlex.quote(str(workerd))
    added = shlex.join(options)
    return f"""#!/bin/sh
# Made by local/setup/workerd_script.py.
if [ "$1" = serve ]; then
  shift
  exec {executable} serve {added} "$@"
fi
exec {executable} "$@"
"""


def write_workerd_script(workerd: Path, options: Sequence[str], target: Path) -> None:
    """Write the script to `target` and make it executable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(workerd_script(workerd, options), encoding="utf-8")
    target.chmod(0o755)
