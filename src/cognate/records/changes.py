"""Changes to records as callers ask for them, their outcomes, and `If-Match` preconditions.

An ETag names one state of a record. The precondition of a change names the states in which the
caller wants it made (RFC 9110).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import CognateError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETAG: Final = re.compile(r'\s*+(?:(W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*+"))?+\s*+(?:,|$)')
"""One ETag of a list, or an empty member, which such a list may have. The quantifiers are
possessive: without that, white space where two parts meet would take quadratic time."""


@dataclass(frozen=True)
class Precondition:
    """The states that an `If-Match` or `If-None-Match` header names.

    Attributes:
        anything: the header is `*`, which names every state.
        strong: the strong ETags.
        weak: the ETags given with `W/`. They never match for a write.
    """

    anything: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, header: str) -> Precondition:
        """Read a header. One that cannot be read names no state, so it matches none."""
        if header.strip() == "*":
            return cls(anything=True)
        strong: set[str] = set()
        weak: set[str] = set()
        position = 0
        while position < len(header):
            found = _ETAG.match(header, position)
            if found is None or found.end() == position:
                return cls()
            if found[2]:
                (weak if found[1] else strong).add(found[2])
            position = found.end()
        return cls(strong=frozenset(strong), weak=frozenset(weak))

    def allows_writing(self, etag: str) -> bool:
        """Compare strongly, as `If-Match` does."""
        return self.anything or etag in self.strong

    def has_seen(self, etag: str) -> bool:
        """Compare weakly, as `If-None-Match` does."""
        return self.anything or etag in self.strong or etag in self.weak


@dataclass(frozen=True)
class Create:
    """A new record.

    Attributes:
        record: its fields by JSON name.
        id: chosen by the caller. With None, the server makes one.
    """

    record: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True)
class Update:
    """New values for some fields of a record.

    Attributes:
        id: of the record.
        changes: fields by JSON name. A field that is left out keeps its value.
        condition: the state that the caller has seen; None for any state.
    """

    id: str
    changes: Mapping[str, Any]
    condition: Precondition | None = None


@dataclass(frozen=True)
class Delete:
    """The deletion of a record; see `Update` for its attributes."""

    id: str
    condition: Precondition | None = None


@dataclass(frozen=True)
class StoredRecord:
    """A record as it is stored now.

    Attributes:
        json: its fields by JSON name, between `id` and its two times.
        etag: of exactly this state.
    """

    json: Mapping[str, Any]
    etag: str


@dataclass(frozen=True)
class Deleted:
    """A record that was deleted."""

    id: str


Change = Create | Update | Delete
Outcome = StoredRecord | Deleted | CognateError
"""What a change led to: the record as it is now, its deletion, or the reason for a refusal."""
