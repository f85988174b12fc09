"""Read records: one, or a page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.pagination import Page, encode_cursor
from cognate.ports import Statement
from cognate.records.codec import json_of
from cognate.records.list_sql import after, cursor_values, order, where
from cognate.records.permissions import no_such_record, owner_of, require_access, require_ownership
from cognate.records.rows import live, selected
from cognate.records.version import StoredRecord, etag_of

if TYPE_CHECKING:
    from cognate.definitions import Table
    from cognate.ports import Parameter, Platform
    from cognate.principal import Principal
    from cognate.records.query import RecordQuery


async def get_record(
    platform: Platform, principal: Principal, table: Table, record_id: str
) -> StoredRecord:
    """One record of the caller's organization.

    Raises:
        AccessDenied: none of the caller's roles may read.
        NotFound: there is no such record for this caller.
        DatabaseError: D1 failed.
    """
    require_access(principal, table, "read")
    sql = (
        f'SELECT {selected(table)} FROM "{table.name}" r '  # noqa: S608 - names of the schema
        f"WHERE r.organization_id = ?1 AND r.id = ?2{live(table)}"
    )
    [rows] = await platform.database.batch([Statement(sql, (principal.organization_id, record_id))])
    if not rows:
        raise no_such_record(table)
    require_ownership(principal, table, "read", owner_of(table, rows[0]))
    return StoredRecord(json_of(table, rows[0]), etag_of(rows[0]["version"]))


async def list_records(
    platform: Platform, principal: Principal, table: Table, query: RecordQuery
) -> Page[StoredRecord]:
    """A page of the organization's records that meet the filters, in the order asked for.

    Raises:
        AccessDenied: none of the caller's roles may read.
        DatabaseError: D1 failed.
    """
    require_access(principal, table, "read")
    parameters: list[Parameter] = [principal.organization_id]
    visible = f"r.organization_id = ?1{live(table)}"
    rule = table.owner
    if rule is not None and rule.applies("read", principal.roles):
        parameters.append(principal.user_id)
        visible += f' AND r."{rule.field}" = ?{len(parameters)}'
    visible += where(query, parameters)
    total = Statement(
        f'SELECT COUNT(*) AS total FROM "{table.name}" r WHERE {visible}',  # noqa: S608 - names of the schema
        tuple(parameters),
    )
    behind = after(query, parameters)
    parameters.append(query.limit + 1)
    page = Statement(
        f'SELECT {selected(table)} FROM "{table.name}" r WHERE {visible}{behind} '  # noqa: S608 - names of the schema
        f"ORDER BY {order(query)} LIMIT ?{len(parameters)}",
        tuple(parameters),
    )
    answers = await platform.database.batch([page, *([total] if query.total else [])])
    rows = answers[0][: query.limit]
    more = len(answers[0]) > query.limit
    return Page(
        items=[StoredRecord(json_of(table, row), etag_of(row["version"])) for row in rows],
        limit=query.limit,
        next_cursor=(
            encode_cursor(cursor_values(query, rows[-1]), query.context) if more else None
        ),
        total=answers[1][0]["total"] if query.total else None,
    )
