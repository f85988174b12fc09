"""Records that belong to the user who created them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from cognate.errors import DefinitionError
from cognate.schema.access import Permission, Roles, expand_roles
from cognate.schema.names import field_names, require_snake_case

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_OWNABLE: Final = tuple(name for name in get_args(Permission) if name != "create")


@dataclass(frozen=True)
class Owner:
    """Allow some operations only to the owner of a record and to some roles.

    `Access` must allow the operation as well. For a caller who may not read a record, the record
    does not exist: lists leave it out, and its id is not found.

    Attributes:
        field: a text field of the record. The server sets it to the user id of the creator, and no
            caller can set it.
        only: the operations that the rule is about: `read`, `update`, `delete` or several.
        unless: the roles that the rule does not apply to.
    """

    field: str
    only: frozenset[str]
    unless: frozenset[str]

    def __init__(
        self,
        field: str,
        *,
        only: Iterable[str] = ("update", "delete"),
        unless: Roles = "admin+",
    ) -> None:
        """Check the options that need no knowledge of the record.

        Raises:
            DefinitionError: the rule cannot be about an operation, or a role is not valid.
        """
        require_snake_case(field, "the field of Owner(...)")
        operations = frozenset(field_names("Owner(only)", only))
        unknown = sorted(operations.difference(_OWNABLE))
        if unknown or not operations:
            raise DefinitionError(
                f"Owner({field!r}, only=[...]) must name one or more of {', '.join(_OWNABLE)}"
                + (f", not {unknown[0]!r}" if unknown else "")
            )
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "only", operations)
        object.__setattr__(self, "unless", expand_roles("Owner(unless=...)", unless))

    def applies(self, permission: Permission, roles: Collection[str]) -> bool:
        """Whether a caller with these roles may do this only with their own records."""
        return permission in self.only and self.unless.isdisjoint(roles)
