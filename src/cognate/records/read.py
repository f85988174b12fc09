"""Read one record, or one page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.pagination import Page, encode_cursor
from cognate.records.codec import json_of, stored_record
from cognate.records.permissions import no_such_record, owner_of, require_ownership
from cognate.records.query import SORTED_CHARACTERS
from cognate.records.table_sql import count_records, read_page, read_record
from cognate.schema.names import SERVER_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.ports import Parameter, Platform, Row
    from cognate.principal import Principal
    from cognate.records.changes import StoredRecord
    from cognate.records.query import RecordQuery
    from cognate.schema import Table


async def get_record(
    platform: Platform, principal: Principal, table: Table, record_id: str
) -> StoredRecord:
    """Read one record of the caller's organization.

    Raises:
        AccessDenied: none of the caller's roles may read.
        NotFound: there is no such record for this caller.
        DatabaseError: D1 failed.
    """
    table.access.require("read", principal, table.name)
    statement = read_record(table, principal.organization_id, record_id)
    [rows] = await platform.database.batch([statement])
    if not rows:
        raise no_such_record(table)
    require_ownership(principal, table, "read", owner_of(table, rows[0]))
    return stored_record(table, rows[0])


async def list_records(
    platform: Platform, principal: Principal, table: Table, query: RecordQuery
) -> Page[Mapping[str, Any]]:
    """Read one page of the organization's records that meet the filters, in the requested order.

    A page ends early, with a cursor, once its records have `table_sql.MAX_PAGE_BYTES`. It holds at
    least one record. So records of any size fit into the memory of an isolate.

    Raises:
        AccessDenied: none of the caller's roles may read.
        DatabaseError: D1 failed.
    """
    table.access.require("read", principal, table.name)
    rule = table.owner
    only_own = rule is not None and rule.applies("read", principal.roles)
    scope = (table, principal.organization_id, query, principal.user_id if only_own else None)
    counting = [count_records(*scope)] if query.total else []
    rows, *counted = await platform.database.batch([read_page(*scope), *counting])
    more = bool(rows) and rows[0]["available"] > len(rows)
    return Page(
        items=[json_of(table, row) for row in rows],
        limit=query.limit,
        next_cursor=(
            encode_cursor(_cursor_values(query, rows[-1]), query.context) if more else None
        ),
        total=counted[0][0]["total"] if counted else None,
    )


def _cursor_values(query: RecordQuery, row: Row) -> list[Parameter]:
    """The sort value and the id of a row."""
    name = query.sort if query.sort in SERVER_COLUMNS else f"field_{query.sort}"
    value: Parameter = row[name]
    return [value[:SORTED_CHARACTERS] if isinstance(value, str) else value, row["id"]]
