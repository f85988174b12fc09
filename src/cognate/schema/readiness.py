"""Find what a deployment lacks: settings, bindings, tables, columns and triggers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cognate.ports import Statement
from cognate.schema.ddl import missing_triggers, needed_columns
from cognate.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cognate.errors import ConfigurationError
    from cognate.ports import Database, VectorIndex
    from cognate.schema import Cognate, Table

GapKind = Literal["binding", "setting", "table", "column", "trigger"]

OWN_TABLES: Final = (
    "cognate_backfills",
    "cognate_coverage",
    "cognate_cursors",
    "cognate_embeddings",
    "cognate_idempotency_keys",
    "cognate_indexes",
    "cognate_jobs",
    "cognate_mutations",
    "cognate_texts",
)
"""The tables that Cognate keeps for itself."""


@dataclass(frozen=True)
class Gap:
    """One thing that a deployment lacks.

    Attributes:
        kind: of the thing.
        name: of the thing; a column has its table too: `claims.content`.
        message: one sentence that says what to do.
    """

    kind: GapKind
    name: str
    message: str


def setting_gaps(broken: Iterable[ConfigurationError]) -> list[Gap]:
    """The settings and bindings that these errors are about."""
    return [
        Gap("setting" if error.setting in VARIABLES else "binding", error.setting, str(error))
        for error in broken
    ]


def index_gaps(app: Cognate, indexes: Mapping[str, VectorIndex]) -> list[Gap]:
    """The missing Vectorize bindings that the schema or the posted texts need."""
    return [
        Gap(
            "binding",
            index.binding,
            f"The Vectorize binding {index.binding} is missing: make the index {index.name}, add "
            "it to wrangler.toml and deploy again.",
        )
        for index in app.vector_indexes()
        if index.binding not in indexes
    ]


async def database_gaps(database: Database, app: Cognate) -> list[Gap]:
    """The missing tables, columns and triggers that the schema or Cognate needs.

    A missing table is one gap, without its columns and triggers. This makes two D1 calls.

    Raises:
        DatabaseError: D1 failed.
    """
    needed = dict.fromkeys(OWN_TABLES, ()) | {
        table.name: needed_columns(table) for table in app.tables.values()
    }
    found = await existing_columns(database, list(needed))
    gaps = [gap for name, columns in needed.items() for gap in _table(name, columns, found)]
    return gaps + await _trigger_gaps(
        database, [app.tables[name] for name in app.tables if name in found]
    )


async def _trigger_gaps(database: Database, tables: Sequence[Table]) -> list[Gap]:
    triggers = Statement(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' "
        "AND tbl_name IN (SELECT value FROM json_each(?1))",
        (json.dumps([table.name for table in tables]),),
    )
    [rows] = await database.batch([triggers])
    made = {row["name"]: row["sql"] for row in rows}
    return [
        Gap(
            "trigger",
            name,
            f"The table {table.name!r} has no trigger {name!r}, or an old one: apply a migration "
            "that makes it. `make migration` prints its SQL.",
        )
        for table in tables
        for name in missing_triggers(table, made)
    ]


async def existing_columns(database: Database, tables: Sequence[str]) -> dict[str, set[str]]:
    """The columns of these tables. A missing table is left out.

    Raises:
        DatabaseError: D1 failed.
    """
    # The tables are named, because D1 refuses a look at its own tables.
    statement = Statement(
        'SELECT t.value AS "table", c.name AS "column" '
        "FROM json_each(?1) t JOIN pragma_table_info(t.value) c",
        (json.dumps(list(tables)),),
    )
    [rows] = await database.batch([statement])
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table"], set()).add(row["column"])
    return found


def _table(name: str, columns: Sequence[str], found: Mapping[str, set[str]]) -> list[Gap]:
    if name not in found:
        message = f"The database has no table {name!r}: apply the migration that makes it."
        return [Gap("table", name, message)]
    return [
        Gap(
            "column",
            f"{name}.{column}",
            f"The table {name!r} has no column {column!r}: apply a migration that adds it.",
        )
        for column in columns
        if column not in found[name]
    ]
