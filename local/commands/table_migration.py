"""`make migration TABLE=name`: print the SQL that makes a table of src/schema.py."""

from __future__ import annotations

import sys
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Final, Union, get_args, get_origin

from cognate.schema.names import camel_case
from cognate.schema.triggers import triggers_of
from schema import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognate.schema import Table

_NOW: Final = "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"


def migration_of(table: Table) -> str:
    """The statements that make the SQL table of a table, and its triggers."""
    columns = ",\n  ".join(_columns(table))
    create = f'CREATE TABLE "{table.name}" (\n  {columns}\n);'
    return "\n\n".join([create, *(f"{sql};" for sql in triggers_of(table).values())]) + "\n"


def _columns(table: Table) -> Iterator[str]:
    yield "organization_id TEXT NOT NULL"
    yield "id TEXT NOT NULL"
    for field in table.fields:
        required = "" if camel_case(field) in table.nullable else " NOT NULL"
        yield f'"{field}" {_type(table, field)}{required}'
    if table.embeddings is not None:
        yield f'"{table.embeddings.embedding_column}" BLOB'
    yield f"created_at TEXT NOT NULL DEFAULT {_NOW}"
    yield f"updated_at TEXT NOT NULL DEFAULT {_NOW}"
    if table.soft_delete:
        yield "deleted_at TEXT"
    yield "PRIMARY KEY (organization_id, id)"


def _type(table: Table, field: str) -> str:
    kind = table.field_types[field]
    if kind == "boolean":
        return "INTEGER"
    if kind != "number":
        return "TEXT"
    annotation = table.record.model_fields[field].annotation
    is_union = get_origin(annotation) in (Union, UnionType)
    arms = set(get_args(annotation)) - {NoneType} if is_union else {annotation}
    return "INTEGER" if arms == {int} else "REAL"


def print_migration(name: str) -> int:
    """Print the SQL of the table of this name; the answer is the exit status."""
    if name not in app.tables:
        known = ", ".join(app.tables)
        sys.stderr.write(
            f"Name a table of src/schema.py, as in `make migration TABLE=…`: {known}.\n"
        )
        return 1
    sys.stdout.write(migration_of(app.tables[name]))
    return 0


if __name__ == "__main__":
    sys.exit(print_migration("".join(sys.argv[1:])))
