"""The script that Miniflare starts instead of workerd. It adds options and starts workerd.

Miniflare has no option for the folder of Pyodide bundles or for a memory snapshot. But the variable
MINIFLARE_WORKERD_PATH names the executable that it starts.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def bundle_option(bundle: Path) -> str:
    """The option with which workerd reads the Pyodide bundle instead of downloading one."""
    return f"--pyodide-bundle-disk-cache-dir={bundle.parent}"


def workerd_script(workerd: Path, options: Sequence[str]) -> str:
    """A POSIX shell script that adds `options` to `workerd serve`. It changes nothing else."""
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
