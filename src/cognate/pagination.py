"""Pages of long lists: keyset cursors, which neither repeat nor skip what is there all along.

A cursor says where a page ended, by the sort values of its last item, and for which list. It is
opaque, not secret: whatever it says, the organization is in the WHERE of every list.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from cognate.errors import FieldError, InvalidInput
from cognate.text_limits import UNSTORABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Parameter

MAX_CURSOR_CHARACTERS: Final = 4096
"""Of a cursor that is read; those that are written are far shorter."""

CONTEXT_CHARACTERS: Final = 16
"""Of the hash that ties a cursor to its list."""

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some of a list, in its order.

    Attributes:
        items: at most as many as were asked for.
        limit: how many were asked for.
        next_cursor: where the next page begins; None on the last one.
        total: how many there are on all pages; None unless it was asked for.
    """

    items: Sequence[T]
    limit: int
    next_cursor: str | None
    total: int | None = None

    @property
    def has_more(self) -> bool:
        """Whether there is another page."""
        return self.next_cursor is not None


def encode_cursor(values: Sequence[Parameter], context: str) -> str:
    """The cursor behind an item with these sort values, in base64url.

    Args:
        values: the last one tells the item apart from all others.
        context: all that decides which list this is and how it is sorted, such as its name and
            its parameters; a cursor of one context is refused by another.
    """
    text = json.dumps([_tie(context), *values], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_cursor(text: str, context: str, count: int | None = None) -> list[Parameter]:
    """The sort values in a cursor: texts, finite numbers or None.

    Args:
        text: what a caller sent.
        context: as for `encode_cursor`.
        count: how many values there must be, where it is known.

    Raises:
        InvalidInput: it is no cursor of this list; the pointer is `?cursor`.
    """
    if len(text) > MAX_CURSOR_CHARACTERS:
        raise _no_cursor()
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        decoded = json.loads(urlsafe_b64decode(padded).decode("utf-8"), parse_constant=_refuse)
    except (ValueError, binascii.Error, RecursionError):
        raise _no_cursor() from None
    if not isinstance(decoded, list) or decoded[:1] != [_tie(context)]:
        raise _no_cursor()
    values = decoded[1:]
    if (count is not None and len(values) != count) or not all(map(_is_parameter, values)):
        raise _no_cursor()
    return values


def _tie(context: str) -> str:
    digest = hashlib.sha256(context.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:CONTEXT_CHARACTERS]


def _is_parameter(value: object) -> bool:
    if isinstance(value, int | float):  # an infinite number, or one of a thousand digits
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return value is None or (isinstance(value, str) and not UNSTORABLE.search(value))


def _refuse(_constant: str) -> float:
    raise ValueError


def _no_cursor() -> InvalidInput:
    message = (
        "is not a cursor of this list; send `nextCursor` of the page before as it came, with the "
        "same filters and the same sort, or start again without a cursor"
    )
    return InvalidInput(FieldError("?cursor", message))
