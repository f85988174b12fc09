"""A checkout in which the suites are the Worker, so that the real launcher starts them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from local.layout import ROOT, Layout

if TYPE_CHECKING:
    from pathlib import Path

ENTRY: Final = "worker.py"
LINKED: Final = (".local", ".venv", "node_modules", "python_modules")
"""What the set-up installed and made; it is read and not written to."""
COPIED: Final = ("src", "local", "migrations")
"""Copied, because wrangler writes beside what it reads."""

_IGNORED = shutil.ignore_patterns("__pycache__", ".wrangler", "node_modules")


def contract_checkout(folder: Path) -> Layout:
    """Make a checkout in an empty folder: this one with another `src/entry.py`.

    The bindings, and so the adapters under test, are configured by the real `wrangler.toml`.
    """
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    shutil.copy(ROOT / "wrangler.toml", folder)
    suites = folder / "src" / "tests" / "contract"
    suites.mkdir(parents=True)
    for module in (ROOT / "tests" / "contract").glob("*.py"):
        # Only what runs without pytest and without the local platform.
        if module.stem.endswith("_suite") or module.stem in {"cases", "polling", "raising"}:
            shutil.copy(module, suites)
    shutil.copy(ROOT / "tests" / "contract" / ENTRY, folder / "src" / "entry.py")
    return Layout(folder)
