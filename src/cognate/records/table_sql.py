"""All SQL over the user's tables: read one record, list them, insert, update and delete them.

Table and column names come from the validated schema, so they are written into the SQL. Values are
always bound. Fields are selected as `field_…`, so a field cannot clash with a column of Cognate.

Each write handles any number of records in one statement and returns the rows that it wrote. An
insert skips an id that is taken. An update or a delete skips a row that is no longer in the version
that the change was judged by. A row that breaks a constraint is skipped too.
"""

# ruff: noqa: S608 - names of the validated schema; values are bound

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cognate.ports import Statement
from cognate.records.query import SORTED_CHARACTERS
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Parameter
    from cognate.principal import OrganizationId
    from cognate.records.plan import Plan
    from cognate.records.query import RecordFilter, RecordQuery
    from cognate.schema import Table

MAX_READ_BYTES: Final = 4_000_000
"""Bytes of the records that one call reads to change them; the last record may exceed it. Each
record is read twice, as its fields and as its version, and is then written back. This much fits
into an isolate that serves other requests too."""

MAX_PAGE_BYTES: Final = 1_000_000
"""Bytes of the records of one page; the last record may exceed it. D1 answers at most 50 MB, and an
isolate holds them several times in its 128 MB."""

OVERHEAD_BYTES: Final = 30
"""Bytes of a field in JSON besides its name and its text: quotes, a colon, a 20-digit number."""

COLUMNS_JOINED: Final = 10
"""Columns joined in one group. A table has up to 100 columns, and SQL allows a depth of 100."""


def read_record(table: Table, organization_id: OrganizationId, record_id: str) -> Statement:
    """Read one record with its version."""
    return Statement(
        f'SELECT {_fields(table)}, {_version(table)} AS version FROM "{table.name}" r '
        f"WHERE r.organization_id = ?1 AND r.id = ?2{_not_deleted(table)}",
        (organization_id, record_id),
    )


def read_for_change(
    table: Table, organization_id: OrganizationId, record_ids: Sequence[str]
) -> Statement:
    """Read records with their versions, up to `MAX_READ_BYTES`, soft-deleted ones too.

    Each row has the id as `named`. A record beyond the bytes has no other column; its `id` is null.
    """
    deleted = "r.deleted_at IS NOT NULL" if table.soft_delete else "0"
    return Statement(
        f"SELECT p.id AS named, {_fields(table)}, {_version(table)} AS version, "
        f"{deleted} AS deleted FROM ("
        f"SELECT r.id, SUM({size_expression(table)}) OVER (ORDER BY j.key "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before "
        f'FROM json_each(?2) j CROSS JOIN "{table.name}" r '
        "ON r.organization_id = ?1 AND r.id = j.value) p "
        f'LEFT JOIN "{table.name}" r ON r.organization_id = ?1 AND r.id = p.id '
        f"AND COALESCE(p.bytes_before, 0) < {MAX_READ_BYTES}",
        (organization_id, json.dumps(record_ids)),
    )


def read_owners(
    table: Table, owner_field: str, organization_id: OrganizationId, record_ids: Sequence[str]
) -> Statement:
    """Read the `id` and the `owner` of records."""
    return Statement(
        f'SELECT r.id, r."{owner_field}" AS owner FROM "{table.name}" r '
        "WHERE r.organization_id = ?1 AND r.id IN (SELECT json_each.value FROM json_each(?2))"
        f"{_not_deleted(table)}",
        (organization_id, json.dumps(record_ids)),
    )


def read_page(
    table: Table, organization_id: OrganizationId, query: RecordQuery, owner: str | None
) -> Statement:
    """Read one page of a list, up to `MAX_PAGE_BYTES`.

    Each row has `available`, the number of records from here on, up to one more than the limit.
    With an `owner`, only the records of that user are read.
    """
    visible, parameters = _visible(table, organization_id, query, owner)
    after = _after(query, parameters)
    parameters.append(query.limit)
    limit = f"?{len(parameters)}"
    order = _order(query)
    # Read first the ids and sizes of one record more than the limit. Then read the fields of those
    # that fit into the page.
    return Statement(
        f"SELECT {_fields(table)}, p.available FROM ("
        f"SELECT r.id, COUNT(*) OVER () AS available, SUM(r._size) OVER (ORDER BY {order} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before "
        f'FROM (SELECT r.id, r."{query.sort}", {size_expression(table)} AS _size '
        f'FROM "{table.name}" r WHERE {visible}{after} ORDER BY {order} LIMIT {limit} + 1) r) p '
        f'CROSS JOIN "{table.name}" r ON r.organization_id = ?1 AND r.id = p.id '
        f"WHERE COALESCE(p.bytes_before, 0) < {MAX_PAGE_BYTES} ORDER BY {order} LIMIT {limit}",
        tuple(parameters),
    )


def count_records(
    table: Table, organization_id: OrganizationId, query: RecordQuery, owner: str | None
) -> Statement:
    """Count the records on all pages of a list, as `total`."""
    visible, parameters = _visible(table, organization_id, query, owner)
    return Statement(
        f'SELECT COUNT(*) AS total FROM "{table.name}" r WHERE {visible}', tuple(parameters)
    )


def write_statements(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    """Insert, update and delete records; `moment` becomes their time.

    Each statement returns the rows that it wrote: the id of a deleted record, and the fields and
    the version of any other.
    """
    inserted = [item for item in plans if item.version is None]
    updated = [item for item in plans if item.version is not None and item.columns is not None]
    deleted = [item for item in plans if item.columns is None]
    return [
        *_inserts(table, organization_id, inserted, moment),
        *_updates(table, organization_id, updated, moment),
        *_deletes(table, organization_id, deleted, moment),
    ]


def size_expression(table: Table) -> str:
    """An SQL number: about how many bytes the row `r` has in an answer, never fewer."""
    lengths = [
        f'COALESCE(length(CAST(r."{field}" AS BLOB)), 0)'
        for field, kind in table.field_types.items()
        if kind not in {"number", "boolean"}
    ]
    names = sum(len(name) + OVERHEAD_BYTES for name in table.json_names.values())
    return f"{names + OVERHEAD_BYTES} + {_joined(lengths, ' + ')}"


def without_end_zeros_expression(column: str) -> str:
    """An SQL text: `normal_forms.without_end_zeros` of a column that holds a decimal number."""
    return (
        f"CASE WHEN instr({column}, '.') > 0 THEN rtrim(rtrim({column}, '0'), '.') "
        f"ELSE CAST({column} AS TEXT) END"
    )


def _fields(table: Table, row: str = "r") -> str:
    """The columns of a record's answer."""
    fields = "".join(f', {row}."{field}" AS "field_{field}"' for field in table.fields)
    return f"{row}.id AS id, {row}.created_at AS created_at, {row}.updated_at AS updated_at{fields}"


def _version(table: Table, row: str = "r") -> str:
    """An SQL text of all columns except the vectors; any change of the row changes it."""
    columns = ("id", "created_at", "updated_at", *table.fields)
    return _joined([f'quote({row}."{column}")' for column in columns], " || ',' || ")


def _joined(parts: Sequence[str], operator: str) -> str:
    """The parts with the operator between them, in groups, because SQL limits an expression."""
    groups = [
        operator.join(parts[start : start + COLUMNS_JOINED])
        for start in range(0, len(parts), COLUMNS_JOINED)
    ]
    return operator.join(f"({group})" for group in groups) or "0"


def _not_deleted(table: Table, row: str = "r") -> str:
    """An SQL condition that leaves out soft-deleted rows. It opens with AND."""
    return f" AND {row}.deleted_at IS NULL" if table.soft_delete else ""


def _visible(
    table: Table, organization_id: OrganizationId, query: RecordQuery, owner: str | None
) -> tuple[str, list[Parameter]]:
    """The condition of a list on the row `r`, with its parameters."""
    parameters: list[Parameter] = [organization_id]
    visible = f"r.organization_id = ?1{_not_deleted(table)}"
    if owner is not None and table.owner is not None:
        parameters.append(owner)
        visible += f' AND r."{table.owner.field}" = ?{len(parameters)}'
    return visible + "".join(_condition(item, parameters) for item in query.filters), parameters


def _condition(item: RecordFilter, parameters: list[Parameter]) -> str:
    """The condition of one filter. It opens with AND."""
    column = f'r."{item.column}"'
    if item.value is None:
        return f" AND {column} IS {'NOT ' if item.operator == '<>' else ''}NULL"
    parameters.append(item.value)
    number = len(parameters)
    if item.is_decimal:
        column = without_end_zeros_expression(column)
    if item.operator == "IN":
        return f" AND {column} IN (SELECT json_each.value FROM json_each(?{number}))"
    return f" AND {column} {item.operator} ?{number}"


def _after(query: RecordQuery, parameters: list[Parameter]) -> str:
    """The condition that skips the pages before this one. It opens with AND."""
    if query.after is None:
        return ""
    value, last = query.after
    parameters.append(last)
    behind = f"r.id {'<' if query.descending else '>'} ?{len(parameters)}"
    if query.sort == "id":
        return f" AND {behind}"
    column = _sort_key(query)
    if value is None:
        return f" AND {column} IS NULL AND {behind}"
    parameters.append(value)
    number = len(parameters)
    beyond = f"{column} {'<' if query.descending else '>'} ?{number}"
    return f" AND ({beyond} OR ({column} = ?{number} AND {behind}) OR {column} IS NULL)"


def _order(query: RecordQuery) -> str:
    """The order of a list: nulls last, ties by id."""
    direction = "DESC" if query.descending else "ASC"
    if query.sort == "id":
        return f"r.id {direction}"
    column = _sort_key(query)
    return f"{column} IS NULL, {column} {direction}, r.id {direction}"


def _sort_key(query: RecordQuery) -> str:
    column = f'r."{query.sort}"'
    return f"substr({column}, 1, {SORTED_CHARACTERS})" if query.sorts_text else column


def _inserts(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    columns = "".join(f', "{field}"' for field in table.fields)
    values = "".join(f", {_value(field)}" for field in table.fields)
    return [
        Statement(
            f'INSERT OR IGNORE INTO "{table.name}" '
            f"(organization_id, id, created_at, updated_at{columns}) "
            f"SELECT ?1, json_each.value ->> 'record', ?3, ?3{values} FROM json_each(?2) "
            f"WHERE TRUE RETURNING {_written(table)}",
            (organization_id, payload, moment),
        )
        for payload in _payloads(organization_id, plans)
    ]


def _updates(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    changes = "".join(f', "{field}" = {_value(field)}' for field in table.fields)
    return [
        Statement(
            f'UPDATE OR IGNORE "{table.name}" SET updated_at = ?3{changes} FROM json_each(?2) '
            f"WHERE {_is_unchanged(table)} RETURNING {_written(table)}",
            (organization_id, payload, moment),
        )
        for payload in _payloads(organization_id, plans)
    ]


def _deletes(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    payloads = _payloads(organization_id, plans)
    if table.soft_delete:
        return [
            Statement(
                f'UPDATE "{table.name}" SET deleted_at = ?3, updated_at = ?3 FROM json_each(?2) '
                f'WHERE {_is_unchanged(table)} RETURNING "{table.name}".id',
                (organization_id, payload, moment),
            )
            for payload in payloads
        ]
    return [
        Statement(
            f'DELETE FROM "{table.name}" WHERE organization_id = ?1 AND id IN ('
            f'SELECT d.id FROM json_each(?2) JOIN "{table.name}" d '
            f"ON {_is_unchanged(table, 'd')}) RETURNING id",
            (organization_id, payload),
        )
        for payload in payloads
    ]


def _payloads(organization_id: OrganizationId, plans: Sequence[Plan]) -> list[str]:
    """The changes as JSON arrays that D1 takes as one value each."""
    items: list[dict[str, Any]] = []
    for item in plans:
        columns = item.columns or {}
        fields = {f"field_{field}": value for field, value in columns.items()}
        key = {"organization": organization_id, "record": item.id}
        items.append({**key, "version": item.version, **fields})
    return list(json_groups(items)) if items else []


def _value(field: str) -> str:
    return f"json_each.value ->> 'field_{field}'"


def _written(table: Table) -> str:
    row = f'"{table.name}"'
    return f"{_fields(table, row)}, {_version(table, row)} AS version"


def _is_unchanged(table: Table, row: str | None = None) -> str:
    """An SQL condition: the row belongs to the organization and still has the judged version."""
    row = row or f'"{table.name}"'
    return (
        # The organization of the payload finds the row by its key. With ?1, SQLite would walk over
        # all rows of the organization. That it is ?1 is checked as well.
        f"{row}.organization_id = json_each.value ->> 'organization' "
        f"AND {row}.id = json_each.value ->> 'record' AND +{row}.organization_id = ?1 "
        f"AND {_version(table, row)} = json_each.value ->> 'version'{_not_deleted(table, row)}"
    )
