"""Pages of long lists, by keyset cursors.

A cursor holds the sort values of the last item of a page, and a hash that names its list. So an
item that exists all the time is on exactly one page. A cursor is opaque but not secret: the
organization is in the WHERE of every list, whatever a cursor says.
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
"""The longest cursor that is read. Those that are written are far shorter."""

CONTEXT_CHARACTERS: Final = 16
"""Characters of the hash that ties a cursor to its list."""

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: at most `limit`, in the order of the list.
        limit: the number of items that was asked for.
        next_cursor: the cursor of the next page; None on the last one.
        total: the number of items of all pages; None unless it was asked for.
    """

    items: Sequence[T]
    limit: int
    next_cursor: str | None
    total: int | None = None

    @property
    def count(self) -> int:
        """The number of items on this page."""
        return len(self.items)

    @property
    def has_more(self) -> bool:
        """Whether another page follows."""
        return self.next_cursor is not None


def encode_cursor(values: Sequence[Parameter], context: str) -> str:
    """Make the cursor of the page after an item, in base64url.

    Args:
        values: the sort values of the item. The last one is unique in the list.
        context: identifies the list and its order, such as its name and its parameters. A cursor
            of one context is refused by another.
    """
    text = json.dumps([_tie(context), *values], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode_cursor(text: str, context: str, count: int | None = None) -> list[Parameter]:
    """Read the sort values from a cursor: texts, finite numbers or None.

    Args:
        text: the cursor that a caller sent.
        context: as for `encode_cursor`.
        count: the number of values that the cursor must have; None for any number.

    Raises:
        InvalidInput: this is not a cursor of this list. The pointer is `?cursor`.
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
    if isinstance(value, int | float):  # finite, and not of a thousand digits
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
