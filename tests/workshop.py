"""A checkout in which another module is the Worker, so that the real launcher starts it.

Its schema is the demonstration's, so that no change of `src/schema.py` or its migrations concerns a
test. Everything else is this checkout's: the sources, the entry of production too, and the bindings
of `wrangler.toml`, and so the adapters over them.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from cognate.schema.ddl import migration_of
from local.setup.layout import ROOT, Layout
from tests.demonstration import app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINKED: Final = (".local", ".venv", "node_modules", "python_modules")
"""What the set-up installed and made; it is read and not written to."""
COPIED: Final = ("src", "local", "migrations")
"""Copied, because wrangler writes beside what it reads."""

_IGNORED = shutil.ignore_patterns("__pycache__", ".wrangler", "node_modules")
_DEMONSTRATION: Final = "0999_make_the_tables_of_the_demonstration.sql"
_MAIN: Final = 'main = "src/entry.py"'


def checkout_with(folder: Path, main: Path, modules: Iterable[Path]) -> Layout:
    """Make a checkout in an empty folder: this one with another Worker.

    Args:
        folder: empty.
        main: the module below `tests/` that is the Worker.
        modules: further ones that it imports, under the names that they have here.
    """
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    for module in modules:
        target = folder / "src" / module.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, target)
    shutil.copy(main, folder / "src")
    shutil.copy(ROOT / "tests" / "demonstration.py", folder / "src" / "schema.py")
    (folder / "migrations" / _DEMONSTRATION).write_text(_demonstration(), "utf-8")
    configuration = (ROOT / "wrangler.toml").read_text("utf-8")
    assert configuration.count(_MAIN) == 1, "wrangler.toml has one main"
    (folder / "wrangler.toml").write_text(
        configuration.replace(_MAIN, f'main = "src/{main.name}"'), "utf-8"
    )
    return Layout(folder)


def _demonstration() -> str:
    """The migration of the demonstration's tables, in the place of what there may be."""
    return "".join(
        f'DROP TABLE IF EXISTS "{name}";\n\n{migration_of(table)}\n'
        for name, table in app.tables.items()
    )
