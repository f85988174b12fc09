"""Whether a caller may do what they ask, by their roles and by who owns a record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognate.errors import AccessDenied, CognateError, NotFound
from cognate.ports import Statement
from cognate.records.rows import live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import Platform, Row
    from cognate.principal import Principal
    from cognate.schema import Table
    from cognate.schema.access import Permission


def require_access(principal: Principal, table: Table, operation: Permission) -> None:
    """Stop a caller none of whose roles may do this with any record of the table.

    Raises:
        AccessDenied: the message names the roles that may.
    """
    if not table.access.allows(operation, principal.roles):
        allowed = ", ".join(sorted(getattr(table.access, operation))) or "nobody"
        raise AccessDenied(
            f"Your roles in this organization do not let you {operation} records of "
            f"{table.name!r}; these do: {allowed}."
        )


def require_searchable(principal: Principal, table: Table) -> None:
    """Stop a search by somebody who may not read what it would find.

    A table whose records only their owners may read has no embeddings, so that nothing more is to
    be checked; see `Owner`.

    Raises:
        AccessDenied: none of the caller's roles may read.
    """
    require_access(principal, table, "read")


async def refusals_to_embed(
    platform: Platform, principal: Principal, wanted: Sequence[tuple[Table, str]]
) -> list[CognateError | None]:
    """Judge whether somebody may give records another text to be found by, in one D1 call.

    Who may change a record may. Nothing is read where roles alone decide.

    Returns:
        For each table and record id, in order: `AccessDenied` for these roles or for somebody
        else's record, `NotFound` where there is no such record for this caller, None where they
        may.

    Raises:
        DatabaseError: D1 failed.
    """
    found: list[CognateError | None] = [None] * len(wanted)
    owned: dict[str, tuple[Table, list[int]]] = {}
    for place, (table, _) in enumerate(wanted):
        try:
            require_access(principal, table, "update")
        except AccessDenied as error:
            found[place] = error
            continue
        if table.owner is not None and table.owner.applies("update", principal.roles):
            owned.setdefault(table.name, (table, []))[1].append(place)
    groups = list(owned.values())
    reads = [
        _owners(principal, table, [wanted[place][1] for place in places])
        for table, places in groups
    ]
    answers = await platform.database.batch(reads) if reads else []
    for (table, places), rows in zip(groups, answers, strict=True):
        owners = {row["id"]: row["owner"] for row in rows}
        for place in places:
            found[place] = _refusal(principal, table, owners, wanted[place][1])
    return found


def _owners(principal: Principal, table: Table, record_ids: Sequence[str]) -> Statement:
    assert table.owner is not None, "only records of such tables have owners"  # noqa: S101
    sql = (
        f'SELECT r.id, r."{table.owner.field}" AS owner FROM "{table.name}" r '  # noqa: S608 - names of the schema
        "WHERE r.organization_id = ?1 AND r.id IN (SELECT json_each.value FROM json_each(?2))"
        f"{live(table)}"
    )
    return Statement(sql, (principal.organization_id, json.dumps(record_ids)))


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
    """Stop somebody who may do this with their own records only, and this is not theirs.

    Raises:
        NotFound: they may not even read it.
        AccessDenied: they may read it.
    """
    rule = table.owner
    if rule is None or owner == principal.user_id:
        return
    if rule.applies("read", principal.roles):
        raise no_such_record(table)
    if rule.applies(operation, principal.roles):
        raise AccessDenied(f"Only its owner may {operation} this record of {table.name!r}.")


def owner_of(table: Table, row: Row) -> str | None:
    """Whose record a row is; None where nobody owns it."""
    if table.owner is None:
        return None
    owner: str | None = row[f"field_{table.owner.field}"]
    return owner


def no_such_record(table: Table) -> NotFound:
    """The one answer for what never was, what was deleted, and what is another organization's."""
    return NotFound(
        "record", f"There is no such record in the table {table.name!r} of your organization."
    )
