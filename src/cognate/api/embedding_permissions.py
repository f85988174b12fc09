"""Permission checks for the embedding routes.

To see jobs and coverage a caller must be allowed to read the table. To have its records embedded
they must be allowed to update it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import CognateError, NotFound
from cognate.records import refusals_to_embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.api.routing import Call
    from cognate.schema import Table
    from cognate.schema.access import Permission
    from cognate.schema.collections import Collection


def permit(call: Call, table: str | None, operation: Permission) -> None:
    """Check that the caller may do this with the table, or with all tables if it is None.

    Raises:
        NotFound: there is no such table.
        AccessDenied: none of the caller's roles may do this.
    """
    for one in _embedded(call) if table is None else [call.app.table(table)]:
        one.access.require(operation, call.principal, one.name)


def permit_job(call: Call, table: str | None, operation: Permission) -> None:
    """Check that the caller may do this with the table of a job.

    Any member may do this with a text without a table, and with a table that left the schema.

    Raises:
        AccessDenied: none of the caller's roles may do this.
    """
    if table in call.app.tables:
        permit(call, table, operation)


async def refusals_of_texts(
    call: Call, places: Sequence[tuple[str | None, str | None]]
) -> list[CognateError | None]:
    """Check that the caller may change the records that texts are posted for, in one D1 call.

    Args:
        call: the request.
        places: the table and the record id of each text; None for a text without a table.

    Returns:
        For each text, in order, `NotFound` or `AccessDenied`, or None if the text may be posted.

    Raises:
        DatabaseError: D1 failed.
    """
    found: list[CognateError | None] = [None] * len(places)
    wanted: dict[int, tuple[Table, str]] = {}
    for place, (name, record_id) in enumerate(places):
        try:
            if name is not None:
                wanted[place] = call.app.table(name), record_id or ""
        except NotFound as error:
            found[place] = error
    refusals = await refusals_to_embed(call.platform, call.principal, list(wanted.values()))
    for place, refusal in zip(wanted, refusals, strict=True):
        found[place] = refusal
    return found


def collection_for(call: Call, name: str, operation: Permission) -> Collection:
    """Return the collection of a table, if the caller may do this with the table.

    Raises:
        NotFound: there is no such table, or it has no embeddings.
        AccessDenied: none of the caller's roles may do this.
    """
    permit(call, name, operation)
    return call.app.collection(name)


def readable_collections(call: Call) -> list[Collection]:
    """Return the collections of the tables that the caller may read."""
    return [
        table.collection
        for table in call.app.tables.values()
        if table.collection is not None and table.access.allows("read", call.principal.roles)
    ]


def _embedded(call: Call) -> list[Table]:
    return [table for table in call.app.tables.values() if table.embeddings is not None]
