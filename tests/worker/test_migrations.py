"""Migrations go forward, and an applied one is not applied again."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from local.setup.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def apply(state: Path) -> str:
    """Apply what is new to the database in a folder; what wrangler says."""
    layout = Layout()
    done = subprocess.run(
        [
            *layout.wrangler("d1", "migrations", "apply", "DB", "--local", "--env=local"),
            f"--persist-to={state}",
        ],
        cwd=layout.root,
        env=layout.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(state: Path) -> list[str]:
    """The names of all tables, indexes and triggers, and how often each migration is on record."""
    [database] = [
        path for path in (state / "v3" / "d1").rglob("*.sqlite") if path.name != "metadata.sqlite"
    ]
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute("SELECT type || ' ' || name FROM sqlite_master ORDER BY 1")
        applied = connection.execute("SELECT name FROM cognate_migrations ORDER BY 1")
        return [row[0] for row in (*names, *applied)]


def test_migrations_applied_twice_are_applied_once(tmp_path: Path) -> None:
    """The second time there is nothing to do, and nothing is changed."""
    first = apply(tmp_path)
    before = tables(tmp_path)
    second = apply(tmp_path)

    migrations = sorted(path.name for path in (Layout().root / "migrations").glob("*.sql"))
    assert [name for name in migrations if name not in first] == []
    assert "No migrations to apply" in second
    assert before == tables(tmp_path)
    assert migrations == before[-len(migrations) :]
