"""Which state of a record somebody has seen: ETags, and the conditions that name them (RFC 9110).

The version of a row is all that it holds, its vectors apart, as one JSON text made by SQL. So a
change is seen whoever made it: another request, or somebody with a SQL client.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETAG: Final = re.compile(r'\s*+(?:(W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*+"))?+\s*+(?:,|$)')
"""One member of a list of ETags, or an empty one, which such a list may have. Possessive, because
white space at which two parts can meet takes quadratic time otherwise."""


@dataclass(frozen=True)
class StoredRecord:
    """A record as it is answered.

    Attributes:
        json: its fields by JSON name, between `id` and the two times.
        etag: of exactly this state.
    """

    json: Mapping[str, Any]
    etag: str


def etag_of(version: str) -> str:
    """The strong ETag of a row's version: a SHA-256 in base64url, in double quotes."""
    digest = hashlib.sha256(version.encode("utf-8", "surrogatepass")).digest()
    return f'"{urlsafe_b64encode(digest).decode().rstrip("=")}"'


@dataclass(frozen=True)
class Condition:
    """What an `If-Match` or `If-None-Match` header names.

    Attributes:
        anything: `*`: any state there is.
        strong: ETags that were given as such.
        weak: those given with `W/`, which never match in a comparison for writing.
    """

    anything: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, header: str) -> Condition:
        """The condition of a header; what cannot be read names no state, and so matches none."""
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
        """Whether `If-Match` holds: by the strong comparison."""
        return self.anything or etag in self.strong

    def has_seen(self, etag: str) -> bool:
        """Whether `If-None-Match` names this state: by the weak comparison."""
        return self.anything or etag in self.strong or etag in self.weak
