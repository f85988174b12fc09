"""Permission checks for records: by the caller's roles, and by who owns a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import AccessDenied, CognateError, NotFound
from cognate.records.table_sql import read_owners

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import Platform, Row
    from cognate.principal import Principal
    from cognate.schema import Table
    from cognate.schema.access import Permission


async def refusals_to_embed(
    platform: Platform, principal: Principal, wanted: Sequence[tuple[Table, str]]
) -> list[CognateError | None]:
    """Decide, in at most one D1 call, whether a caller may post a text for each record.

    It takes the permission to update the record. Where the roles decide alone, nothing is read.

    Returns:
        For each table and record id, in order: None if the caller may, `AccessDenied` if the roles
        or the record's owner do not allow it, `NotFound` if there is no such record for them.

    Raises:
        DatabaseError: D1 failed.
    """
    found: list[CognateError | None] = [None] * len(wanted)
    owned: dict[str, tuple[Table, list[int]]] = {}
    for place, (table, _) in enumerate(wanted):
        try:
            table.access.require("update", principal, table.name)
        except AccessDenied as error:
            found[place] = error
            continue
        if table.owner is not None and table.owner.applies("update", principal.roles):
            owned.setdefault(table.name, (table, []))[1].append(place)
    groups = list(owned.values())
    reads = [
        read_owners(
            table,
            table.owner.field,
            principal.organization_id,
            [wanted[place][1] for place in places],
        )
        for table, places in groups
        if table.owner is not None
    ]
    answers = await platform.database.batch(reads) if reads else []
    for (table, places), rows in zip(groups, answers, strict=True):
        owners = {row["id"]: row["owner"] for row in rows}
        for place in places:
            found[place] = _refusal(principal, table, owners, wanted[place][1])
    return found


def _refusal(
    principal: Principal, table: Table, owners: Mapping[str, str | None], record_id: str
) -> CognateError | None:
    if record_id not in owners:
        return no_such_record(table)
    try:
        require_ownership(principal, table, "update", owners[record_id])
    except CognateError as error:
        return error
    return None


def require_ownership(
    principal: Principal, table: Table, operation: Permission, owner: str | None
) -> None:
    """Refuse a caller who may do this only with their own records, if this record is not theirs.

    Raises:
        NotFound: the caller may not even read it.
        AccessDenied: the caller may read it.
    """
    rule = table.owner
    if rule is None or owner == principal.user_id:
        return
    if rule.applies("read", principal.roles):
        raise no_such_record(table)
    if rule.applies(operation, principal.roles):
        raise AccessDenied(f"Only its owner may {operation} this record of {table.name!r}.")


def owner_of(table: Table, row: Row) -> str | None:
    """The user who owns the record of a row; None for nobody."""
    if table.owner is None:
        return None
    owner: str | None = row[f"field_{table.owner.field}"]
    return owner


def no_such_record(table: Table) -> NotFound:
    """The same error for a record that never existed, was deleted, or is another organization's."""
    return NotFound(
        "record", f"There is no such record in the table {table.name!r} of your organization."
    )
