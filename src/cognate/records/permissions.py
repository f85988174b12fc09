"""Whether a caller may do what they ask, by their roles and by who owns a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.errors import AccessDenied, NotFound
from cognate.ports import Statement

if TYPE_CHECKING:
    from cognate.definitions import Table
    from cognate.definitions.access import Operation
    from cognate.ports import Platform, Row
    from cognate.principal import Principal


def require_access(principal: Principal, table: Table, operation: Operation) -> None:
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


async def require_embeddable(
    platform: Platform, principal: Principal, table: Table, record_id: str
) -> None:
    """Stop somebody who may not change a record from giving it another text to be found by.

    Raises:
        AccessDenied: not with these roles, or not with somebody else's record.
        NotFound: there is no such record for this caller.
        DatabaseError: D1 failed.
    """
    require_access(principal, table, "update")
    if table.owner is None or not table.owner.applies("update", principal.roles):
        return
    deleted = " AND deleted_at IS NULL" if table.soft_delete else ""
    sql = (
        f'SELECT "{table.owner.field}" AS owner FROM "{table.name}" '  # noqa: S608 - names of the schema
        f"WHERE organization_id = ?1 AND id = ?2{deleted}"
    )
    [rows] = await platform.database.batch([Statement(sql, (principal.organization_id, record_id))])
    if not rows:
        raise no_such_record(table)
    require_ownership(principal, table, "update", rows[0]["owner"])


def require_ownership(
    principal: Principal, table: Table, operation: Operation, owner: str | None
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
