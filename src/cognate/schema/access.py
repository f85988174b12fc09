"""The roles that may read, create, update and delete the records of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from cognate.errors import AccessDenied, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cognate.principal import Principal

Permission = Literal["read", "create", "update", "delete"]

PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)

RANKS: Final = ("member", "admin", "owner")
"""The roles of Better Auth itself, lowest first. Only these have an order."""

Roles = str | list[str] | tuple[str, ...]
"""Roles in a definition: `"member+"`, `"editor"`, or a list of such."""


def expand_roles(option: str, written: Roles) -> frozenset[str]:
    """Return the roles that an option allows.

    Args:
        option: the option, for messages.
        written: `"admin+"` allows this role and the higher ones, in the order member, admin, owner.
            A plain role allows this role alone; it may be one of your own. A list allows each of
            its roles, and an empty list allows nobody.

    Raises:
        DefinitionError: a value is not a role, or a role without an order has a `+`.
    """
    names: object = [written] if isinstance(written, str) else written
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise DefinitionError(f'{option} must be a role such as "member+", or a list of roles')
    found: set[str] = set()
    for name in names:
        role = name.removesuffix("+")
        if not role or role.strip() != role or "," in role or "+" in role:
            raise DefinitionError(
                f'{option} must name roles such as "member+" or "editor", not {name!r}; several '
                'roles are a list: ["editor", "admin+"]'
            )
        if role == name:
            found.add(role)
        elif role in RANKS:
            found.update(RANKS[RANKS.index(role) :])
        else:
            raise DefinitionError(
                f"{option} says {name!r}, but only {', '.join(RANKS)} have an order; write "
                f"{role!r} for exactly this role, or a list of roles"
            )
    return frozenset(found)


@dataclass(frozen=True)
class Access:
    """The roles that may do each operation. They are checked before anything is read or written.

    A search over the table needs the permission to read, and a text posted for one of its records
    the permission to update. A table whose records only their owners may read has no embeddings
    (see `Owner`), so for a search the roles decide alone.

    Attributes:
        read: roles that may get, list and search.
        create: roles that may create.
        update: roles that may change.
        delete: roles that may delete.
    """

    read: frozenset[str]
    create: frozenset[str]
    update: frozenset[str]
    delete: frozenset[str]

    def __init__(
        self,
        *,
        read: Roles = "member+",
        create: Roles = "member+",
        update: Roles = "member+",
        delete: Roles = "member+",
    ) -> None:
        """Read the roles; see `expand_roles`.

        Raises:
            DefinitionError: see `expand_roles`.
        """
        for permission, written in zip(PERMISSIONS, (read, create, update, delete), strict=True):
            roles = expand_roles(f"Access({permission}=...)", written)
            object.__setattr__(self, permission, roles)

    def allows(self, permission: Permission, roles: Collection[str]) -> bool:
        """Whether one of these roles has the permission."""
        allowed: frozenset[str] = getattr(self, permission)
        return not allowed.isdisjoint(roles)

    def require(self, permission: Permission, principal: Principal, table: str) -> None:
        """Refuse a caller without a role that may do this with records of the table.

        Raises:
            AccessDenied: the message names the roles that may.
        """
        if not self.allows(permission, principal.roles):
            allowed = ", ".join(sorted(getattr(self, permission))) or "nobody"
            raise AccessDenied(
                f"Your roles in this organization do not let you {permission} records of "
                f"{table!r}; these do: {allowed}."
            )
