"""Find the tables and columns of `src/schema.py` that the local database does not have."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def missing_tables(
    database: Path, tables: Mapping[str, Sequence[str]], migrations: Path
) -> list[str]:
    """One sentence for each table that lacks a migration. It says what is missing and what to do.

    Args:
        database: the SQLite file of the local database.
        tables: each table with the columns that it must have.
        migrations: the folder of the migrations, for the number of the next one.
    """
    number = _next_number(migrations)
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return [
            sentence
            for table, columns in tables.items()
            for sentence in _sentences(connection, table, columns, number)
        ]


def _sentences(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], number: int
) -> Iterator[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    present = {name for (name,) in rows}
    missing = [column for column in columns if column not in present]
    if not present:
        yield (
            f"The table {table!r} of src/schema.py is not in the database: `make migration "
            f"TABLE={table} > migrations/{number:04}_create_{table}.sql` writes its migration, and "
            "the next `make dev` applies it; the other tables work meanwhile."
        )
    elif missing:
        yield (
            f"The table {table!r} has no column {', '.join(map(repr, missing))} in the database: "
            f"write migrations/{number:04}_change_{table}.sql with ALTER TABLE {table} ADD COLUMN; "
            "the next `make dev` applies it, and the other tables work meanwhile."
        )


def _next_number(migrations: Path) -> int:
    """The number of the next migration."""
    names = (re.match(r"\d+", path.name) for path in migrations.glob("*.sql"))
    return max((int(found[0]) for found in names if found), default=0) + 1
