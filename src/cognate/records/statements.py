"""The SQL that writes records: one statement for any number of them, for each kind of change.

Each statement writes only what it may, and returns what it wrote: an insertion leaves alone what is
there, a change and a deletion are made only to the very state that they were judged by. A row that
breaks a constraint of the table is left out too, and stops none beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.ports import Statement
from cognate.records.rows import selected, version
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.principal import OrganizationId
    from cognate.records.plan import Plan
    from cognate.schema import Table


def write_statements(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    """Statements that make these changes at this time; each returns the rows that it wrote.

    Of a deletion the row is its id; else all that an answer needs.
    """
    inserted = [item for item in plans if item.version is None]
    updated = [item for item in plans if item.version is not None and item.columns is not None]
    deleted = [item for item in plans if item.columns is None]
    return [
        *_inserts(table, organization_id, inserted, moment),
        *_updates(table, organization_id, updated, moment),
        *_deletes(table, organization_id, deleted, moment),
    ]


def _values(table: Table) -> list[str]:
    return [f"json_each.value ->> 'field_{field}'" for field in table.fields]


def _payload(organization_id: OrganizationId, item: Plan) -> dict[str, Any]:
    columns = item.columns or {}
    fields = {f"field_{field}": value for field, value in columns.items()}
    key = {"organization": organization_id, "record": item.id}
    return {**key, "version": item.version, **fields}


def _inserts(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    columns = "".join(f', "{field}"' for field in table.fields)
    values = "".join(f", {value}" for value in _values(table))
    return [
        Statement(
            f'INSERT OR IGNORE INTO "{table.name}" '  # noqa: S608 - names of the schema
            f"(organization_id, id, created_at, updated_at{columns}) "
            f"SELECT ?1, json_each.value ->> 'record', ?3, ?3{values} FROM json_each(?2) "
            f"WHERE TRUE RETURNING {selected(table, _quoted(table))}",
            (organization_id, payload, moment),
        )
        for payload in json_groups([_payload(organization_id, item) for item in plans])
    ]


def _updates(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    changes = "".join(
        f', "{field}" = {value}' for field, value in zip(table.fields, _values(table), strict=True)
    )
    return [
        Statement(
            f'UPDATE OR IGNORE "{table.name}" SET updated_at = ?3{changes} FROM json_each(?2) '  # noqa: S608 - names of the schema
            f"WHERE {_same(table)} RETURNING {selected(table, _quoted(table))}",
            (organization_id, payload, moment),
        )
        for payload in json_groups([_payload(organization_id, item) for item in plans])
    ]


def _deletes(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    found = []
    for payload in json_groups([_payload(organization_id, item) for item in plans]):
        if table.soft_delete:
            sql = (
                f'UPDATE "{table.name}" SET deleted_at = ?3, updated_at = ?3 FROM json_each(?2) '  # noqa: S608 - names of the schema
                f'WHERE {_same(table)} RETURNING "{table.name}".id'
            )
            found.append(Statement(sql, (organization_id, payload, moment)))
        else:
            sql = (
                f'DELETE FROM "{table.name}" WHERE organization_id = ?1 AND id IN ('  # noqa: S608 - names of the schema
                f'SELECT d.id FROM json_each(?2) JOIN "{table.name}" d ON {_same(table, "d")}) '
                "RETURNING id"
            )
            found.append(Statement(sql, (organization_id, payload)))
    return found


def _quoted(table: Table) -> str:
    return f'"{table.name}"'


def _same(table: Table, row: str | None = None) -> str:
    """An SQL condition: the row is the organization's, and in the state that was judged."""
    row = row or _quoted(table)
    deleted = f" AND {row}.deleted_at IS NULL" if table.soft_delete else ""
    return (
        # The organization of the payload finds the row by its key; were it ?1, SQLite would walk
        # over all rows of the organization. That it is ?1 is checked all the same.
        f"{row}.organization_id = json_each.value ->> 'organization' "
        f"AND {row}.id = json_each.value ->> 'record' AND +{row}.organization_id = ?1 "
        f"AND {version(table, row)} = json_each.value ->> 'version'{deleted}"
    )
