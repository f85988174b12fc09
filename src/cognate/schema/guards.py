"""Which fields of a record a caller may set, whoever they are."""

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

    A field that may not be set keeps its default when a record is created, and its value when one
    is updated.

    Attributes:
        create: those that may be set when a record is created; None for all.
        update: those that may be set when it is updated; None for all.
        never: those that no caller may set.
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
        """Take lists of field names.

        Raises:
            DefinitionError: no list of names, or a field both allowed and never to be set.
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
        """Every field that is named."""
        return (self.create or frozenset()) | (self.update or frozenset()) | self.never

    def allows(self, operation: Literal["create", "update"], field: str) -> bool:
        """Whether a caller may set this field in this operation."""
        allowed = self.create if operation == "create" else self.update
        return field not in self.never and (allowed is None or field in allowed)
