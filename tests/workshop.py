"""A checkout in which another module is the Worker, so that the real launcher starts it.

Its schema is the demonstration's, so that no change of `src/schema.py` or its migrations concerns a
test. Everything else is this checkout's: the sources, the entry of production too, and the bindings
of `wrangler.toml`, and so the adapters over them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from cognate.schema.ddl import migration_of
from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT, Layout
from tests.demonstration import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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


@pytest.fixture(scope="session")
def new_state(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Layout], Path]:
    """Make the folder of a Worker's data, with a database that nobody used before.

    wrangler applies the migrations of a checkout once; each further folder is a copy.
    """
    base = tmp_path_factory.getbasetemp()
    # Processes that run tests at the same time have their folders in one.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(layout: Layout) -> Path:
        migrations = sorted((layout.root / "migrations").glob("*.sql"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in migrations)).hexdigest()
        template = shared / f"migrated-{digest[:16]}"
        with (shared / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            LocalCognate(LocalConfig(state=template), layout).migrate()
        state = tmp_path_factory.mktemp("data") / "state"
        shutil.copytree(template, state)
        # Each check of the sources compiles the Worker's packages, unless an earlier one has.
        (shared / "compiled").mkdir(exist_ok=True)
        (state / "compiled").symlink_to(shared / "compiled")
        return state

    return make
