"""Read records: one, or a page of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cognate.pagination import Page, encode_cursor
from cognate.ports import Statement
from cognate.records.codec import json_of
from cognate.records.list_sql import after, cursor_values, order, where
from cognate.records.permissions import no_such_record, owner_of, require_access, require_ownership
from cognate.records.rows import answered, live, selected, size
from cognate.records.version import StoredRecord, etag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.ports import Parameter, Platform
    from cognate.principal import Principal
    from cognate.records.query import RecordQuery
    from cognate.schema import Table


MAX_PAGE_BYTES: Final = 1_000_000
"""Of the records of one page; the last one may go beyond. D1 answers at most 50 MB, and an isolate
holds them several times in its 128 MB, beside those of other requests."""


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
) -> Page[Mapping[str, Any]]:
    """A page of the organization's records that meet the filters, in the order asked for.

    A page ends early, with a cursor, once its records have `MAX_PAGE_BYTES`; so it holds one record
    at least, and the memory of an isolate is safe whatever their sizes.

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
    parameters.append(query.limit)
    limit = f"?{len(parameters)}"
    ordered = order(query)
    # First the ids, with the sizes, of one record more than wanted; then the fields of those for
    # which there is room.
    page = Statement(
        f"SELECT {answered(table)}, p.available FROM ("  # noqa: S608 - names of the schema
        f"SELECT r.id, COUNT(*) OVER () AS available, SUM(r._size) OVER (ORDER BY {ordered} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before "
        f'FROM (SELECT r.id, r."{query.sort}", {size(table)} AS _size FROM "{table.name}" r '
        f"WHERE {visible}{behind} ORDER BY {ordered} LIMIT {limit} + 1) r) p "
        f'CROSS JOIN "{table.name}" r ON r.organization_id = ?1 AND r.id = p.id '
        f"WHERE COALESCE(p.bytes_before, 0) < {MAX_PAGE_BYTES} ORDER BY {ordered} LIMIT {limit}",
        tuple(parameters),
    )
    answers = await platform.database.batch([page, *([total] if query.total else [])])
    rows = answers[0]
    more = bool(rows) and rows[0]["available"] > len(rows)
    return Page(
        items=[json_of(table, row) for row in rows],
        limit=query.limit,
        next_cursor=(
            encode_cursor(cursor_values(query, rows[-1]), query.context) if more else None
        ),
        total=answers[1][0]["total"] if query.total else None,
    )
