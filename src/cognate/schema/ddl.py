"""The SQL that makes the D1 table of a `Table`: its columns and its triggers.

A record that is written outside of the API, by SQL, queues no job. The triggers mark such a change
in the state row of the record. Coverage and backfills then see the change, and the cron task has
the vectors of a deleted record removed. Writes by the API fire the same triggers.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Final, Union, get_args, get_origin

from cognate.schema.names import SERVER_COLUMNS, camel_case, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cognate.schema.tables import Table

_NOW: Final = "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"

CHANGED: Final = "changes = changes + 1, revision = revision + 1"
"""The marks of a change. Vectors of an older revision are then dropped, and a backfill sees it."""


def migration_of(table: Table) -> str:
    """The statements of the migration that makes the table and its triggers."""
    definitions = [f"{_column(name)} {kind}" for name, kind in _columns(table).items()]
    lines = ",\n  ".join([*definitions, "PRIMARY KEY (organization_id, id)"])
    create = f"CREATE TABLE {quoted(table.name)} (\n  {lines}\n);"
    return "\n\n".join([create, *(f"{sql};" for sql in triggers_of(table).values())]) + "\n"


def needed_columns(table: Table) -> tuple[str, ...]:
    """The names of the columns that the D1 table must have."""
    return tuple(_columns(table))


def triggers_of(table: Table) -> dict[str, str]:
    """The triggers of a table with embeddings, SQL by name; another table needs none.

    `REPLACE` fires the trigger of an insertion and not that of a deletion.
    """
    if table.embeddings is None:
        return {}
    embedded = table.embeddings.fields
    columns = tuple(dict.fromkeys((*embedded, *table.embeddings.metadata)))
    posted = "NULL"
    if set(columns) != set(embedded):
        posted = f"CASE WHEN {_differ(embedded)} THEN NULL ELSE posted_text END"
    gone = "NEW.deleted_at IS NOT NULL" if table.soft_delete else "0"
    found = [
        _Trigger(
            "inserted",
            "AFTER INSERT",
            (CHANGED, "posted_text = NULL", f"record_gone = {gone}"),
        ),
        _Trigger(
            "changed",
            f"AFTER UPDATE OF {', '.join(map(quoted, columns))}",
            (CHANGED, f"posted_text = {posted}"),
            when=_differ(columns),
        ),
        _Trigger(
            "deleted",
            "AFTER DELETE",
            ("revision = revision + 1", "posted_text = NULL", "record_gone = 1"),
            row="OLD",
        ),
    ]
    if table.soft_delete:
        found.append(
            _Trigger(
                "deleted_softly",
                "AFTER UPDATE OF deleted_at",
                (CHANGED, "posted_text = NULL", f"record_gone = {gone}"),
                when="(NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)",
            )
        )
    return {f"{table.name}_{trigger.suffix}": trigger.sql(table.name) for trigger in found}


def missing_triggers(table: Table, existing: Mapping[str, str]) -> list[str]:
    """The names of the triggers that the database lacks, or has with other SQL.

    Args:
        table: of the schema.
        existing: the triggers in `sqlite_master`, SQL by name.
    """
    return [
        name
        for name, sql in triggers_of(table).items()
        if name not in existing or _words(existing[name]) != _words(sql)
    ]


@dataclass(frozen=True)
class _Trigger:
    """A trigger that changes the state row of one record.

    Attributes:
        suffix: the end of its name, after the table's.
        event: when it fires.
        changes: assignments to columns of the state row.
        when: a condition; None to fire always.
        row: `NEW` or `OLD`, the row that names the record.
    """

    suffix: str
    event: str
    changes: Sequence[str]
    when: str | None = None
    row: str = "NEW"

    def sql(self, table: str) -> str:
        """The statement that makes it."""
        condition = "" if self.when is None else f"\nWHEN {self.when}"
        return (
            f"CREATE TRIGGER {table}_{self.suffix} {self.event} ON {quoted(table)}{condition}\n"  # noqa: S608 - names of the schema
            f"BEGIN\n  UPDATE cognate_embeddings SET {', '.join(self.changes)}\n"
            f"  WHERE organization_id = {self.row}.organization_id AND scope = '{table}' "
            f"AND record_id = {self.row}.id;\nEND"
        )


def _columns(table: Table) -> dict[str, str]:
    """The columns by name, in order: type, constraint and default of each."""
    fields = {
        field: _sql_type(table, field)
        + ("" if camel_case(field) in table.nullable else " NOT NULL")
        for field in table.fields
    }
    return {
        "organization_id": "TEXT NOT NULL",
        "id": "TEXT NOT NULL",
        **fields,
        **({} if table.collection is None else {table.collection.embedding_column: "BLOB"}),
        "created_at": f"TEXT NOT NULL DEFAULT {_NOW}",
        "updated_at": f"TEXT NOT NULL DEFAULT {_NOW}",
        **({"deleted_at": "TEXT"} if table.soft_delete else {}),
    }


def _column(name: str) -> str:
    """A column's name as the migration has it; Cognate's own need no quotes."""
    return name if name in SERVER_COLUMNS else quoted(name)


def _sql_type(table: Table, field: str) -> str:
    kind = table.field_types[field]
    if kind == "boolean":
        return "INTEGER"
    if kind != "number":
        return "TEXT"
    annotation = table.record.model_fields[field].annotation
    is_union = get_origin(annotation) in (Union, UnionType)
    arms = set(get_args(annotation)) - {NoneType} if is_union else {annotation}
    return "INTEGER" if arms == {int} else "REAL"


def _differ(columns: Iterable[str]) -> str:
    return "\n  OR ".join(f"NEW.{quoted(column)} IS NOT OLD.{quoted(column)}" for column in columns)


def _words(sql: str) -> Sequence[str]:
    """The words of a statement, to compare it without its quotes and white space."""
    return sql.replace('"', "").replace("`", "").rstrip("; \n").lower().split()
