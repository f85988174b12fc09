"""Records that belong to the person who created them."""

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
    """A rule that only the owner of a record, or certain roles, may do certain operations.

    It narrows `Access`, which must allow the operation too. A record that somebody may not read
    does not exist for them: not in a list, and not by its id.

    Attributes:
        field: a text field of the record that the server sets to the creator's user id; no caller
            can set it.
        only: the operations for which the rule holds: any of `read`, `update` and `delete`.
        unless: roles to which it does not apply.
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
        """Check what can be judged without the record.

        Raises:
            DefinitionError: an operation that has no owner, or a role that cannot be meant.
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

    def applies(self, operation: Permission, roles: Collection[str]) -> bool:
        """Whether somebody with these roles may do it with their own records only."""
        return operation in self.only and self.unless.isdisjoint(roles)
