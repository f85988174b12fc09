"""What a caller wants done to a record, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cognate.errors import CognateError
from cognate.records.version import Condition, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Create:
    """A new record.

    Attributes:
        record: its fields by JSON name.
        id: chosen by the caller; None for one that the server makes.
    """

    record: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True)
class Update:
    """Changes to a record that is there.

    Attributes:
        changes: fields by JSON name; what is left out stays as it is.
        condition: the state that the caller has seen; None to change whatever is there.
    """

    id: str
    changes: Mapping[str, Any]
    condition: Condition | None = None


@dataclass(frozen=True)
class Delete:
    """The end of a record."""

    id: str
    condition: Condition | None = None


@dataclass(frozen=True)
class Deleted:
    """A record that is no longer there."""

    id: str


Operation = Create | Update | Delete
Outcome = StoredRecord | Deleted | CognateError
