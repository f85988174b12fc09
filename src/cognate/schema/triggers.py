"""The triggers that the SQL table of a table with embeddings needs.

A record that is written behind the API, by SQL, queues no job. Its table's triggers mark the change
in the record's state row: the coverage and a backfill see it, and the sweeper has the vectors of a
deleted record removed. Writes by the API pass through the same triggers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cognate.schema import Table


@dataclass(frozen=True)
class _Trigger:
    """One trigger of a table: what it does to the state row of the record that `row` names."""

    suffix: str
    event: str
    changes: Sequence[str]
    when: str | None = None
    row: str = "NEW"

    def sql(self, table: str) -> str:
        """The statement that makes it."""
        condition = "" if self.when is None else f"\nWHEN {self.when}"
        return (
            f'CREATE TRIGGER {table}_{self.suffix} {self.event} ON "{table}"{condition}\n'  # noqa: S608 - names of the schema
            f"BEGIN\n  UPDATE cognate_embeddings SET {', '.join(self.changes)}\n"
            f"  WHERE organization_id = {self.row}.organization_id AND scope = '{table}' "
            f"AND record_id = {self.row}.id;\nEND"
        )


def triggers_of(table: Table) -> dict[str, str]:
    """The triggers that a table needs: name to SQL, as a migration has it; none without embeddings.

    `REPLACE` fires the trigger of an insertion and not that of a deletion.
    """
    if table.embeddings is None:
        return {}
    name, embedded = table.name, table.embeddings.fields
    columns = tuple(dict.fromkeys((*embedded, *table.embeddings.metadata)))
    posted = "NULL"
    if set(columns) != set(embedded):
        posted = f"CASE WHEN {_differ(embedded)} THEN NULL ELSE posted_text END"
    gone = "NEW.deleted_at IS NOT NULL" if table.soft_delete else "0"
    found = [
        _Trigger(
            "inserted",
            "AFTER INSERT",
            ("changes = changes + 1", "posted_text = NULL", f"record_gone = {gone}"),
        ),
        _Trigger(
            "changed",
            f"AFTER UPDATE OF {_quoted(columns)}",
            ("changes = changes + 1", f"posted_text = {posted}"),
            when=_differ(columns),
        ),
        _Trigger("deleted", "AFTER DELETE", ("posted_text = NULL", "record_gone = 1"), row="OLD"),
    ]
    if table.soft_delete:
        found.append(
            _Trigger(
                "deleted_softly",
                "AFTER UPDATE OF deleted_at",
                ("changes = changes + 1", "posted_text = NULL", f"record_gone = {gone}"),
                when="(NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)",
            )
        )
    return {f"{name}_{item.suffix}": item.sql(name) for item in found}


def missing_triggers(table: Table, found: Mapping[str, str]) -> list[str]:
    """The names of the triggers that a table needs and the database lacks.

    One that is there and says something else is missing too.

    Args:
        table: of the schema.
        found: name to `sql` of the triggers in `sqlite_master`.
    """
    return [
        name
        for name, sql in triggers_of(table).items()
        if name not in found or _words(found[name]) != _words(sql)
    ]


def _differ(columns: Iterable[str]) -> str:
    return "\n  OR ".join(f'NEW."{column}" IS NOT OLD."{column}"' for column in columns)


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _words(sql: str) -> Sequence[str]:
    """What two texts of one statement have in common: quotes and white space do not count."""
    return sql.replace('"', "").replace("`", "").rstrip("; \n").lower().split()
