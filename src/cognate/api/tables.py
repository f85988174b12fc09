"""The tables that a call about embeddings is about, and whether its caller may do what it asks.

Watching jobs and coverage is reading; whatever has records embedded is updating them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.collections import Collection, collection_of
from cognate.errors import NotFound
from cognate.records.permissions import require_access, require_embeddable

if TYPE_CHECKING:
    from cognate.api.route import Call
    from cognate.definitions import Table
    from cognate.definitions.access import Operation


def permit(call: Call, table: str | None, operation: Operation) -> None:
    """Stop a caller who may not do this with the table; None stands for every table.

    Raises:
        NotFound: there is no such table.
        AccessDenied: none of the caller's roles may.
    """
    for one in _embedded(call) if table is None else [call.app.table(table)]:
        require_access(call.principal, one, operation)


def permit_job(call: Call, table: str | None, operation: Operation) -> None:
    """Stop a caller who may not do this with the table of a job.

    A text without a table belongs to the whole organization, and so does a job whose table is no
    longer in the schema.

    Raises:
        AccessDenied: none of the caller's roles may.
    """
    if table in call.app.tables:
        permit(call, table, operation)


async def permit_text(call: Call, table: str | None, record_id: str | None) -> None:
    """Stop a caller who may not change the record that a text is posted for.

    Raises:
        NotFound: there is no such table.
        AccessDenied: none of the caller's roles may, or it is somebody else's record.
    """
    if table is not None:
        await require_embeddable(
            call.platform, call.principal, call.app.table(table), record_id or ""
        )


def collection_for(call: Call, name: str, operation: Operation) -> Collection:
    """What is embedded of the table of this name, for a caller who may do this with it.

    Raises:
        NotFound: there is no such table, or it embeds nothing.
        AccessDenied: none of the caller's roles may.
    """
    permit(call, name, operation)
    collection = collection_of(call.app.table(name))
    if collection is None:
        raise NotFound("table", f"The table {name!r} has no embeddings.")
    return collection


def readable_collections(call: Call) -> list[Collection]:
    """What is embedded of the tables that the caller may read."""
    tables = [
        table for table in _embedded(call) if table.access.allows("read", call.principal.roles)
    ]
    found = [collection_of(table) for table in tables]
    return [collection for collection in found if collection is not None]


def _embedded(call: Call) -> list[Table]:
    return [table for table in call.app.tables.values() if table.embeddings is not None]
