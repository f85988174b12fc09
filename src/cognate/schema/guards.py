"""The fields of a record that callers may set, whatever their roles are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cognate.errors import DefinitionError
from cognate.schema.names import field_names

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Guards:
    """The fields that a caller may set, by their Python names.

    A field that the caller may not set gets its default in a new record, and keeps its value in an
    update.

    Attributes:
        create: the fields that may be set in a new record; None for all.
        update: the fields that may be set in an update; None for all.
        never: the fields that no caller may set.
    """

    create: frozenset[str] | None
    update: frozenset[str] | None
    never: frozenset[str]

    def __init__(
        self,
        *,
        create: Iterable[str] | None = None,
        update: Iterable[str] | None = None,
        never: Iterable[str] = (),
    ) -> None:
        """Read the lists of field names.

        Raises:
            DefinitionError: an option is not a list of names, or a field is allowed and also in
                `never`.
        """
        for option, names in (("create", create), ("update", update), ("never", never)):
            found = None if names is None else frozenset(field_names(f"Guards({option})", names))
            object.__setattr__(self, option, found)
        for option, allowed in (("create", self.create), ("update", self.update)):
            both = sorted((allowed or frozenset()) & self.never)
            if both:
                raise DefinitionError(
                    f"Guards: {both[0]!r} is in both {option} and never; take it out of one"
                )

    @property
    def named(self) -> frozenset[str]:
        """All fields that an option names."""
        return (self.create or frozenset()) | (self.update or frozenset()) | self.never

    def allows(self, operation: Literal["create", "update"], field: str) -> bool:
        """Whether a caller may set this field in this operation."""
        allowed = self.create if operation == "create" else self.update
        return field not in self.never and (allowed is None or field in allowed)
