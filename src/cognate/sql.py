"""Lists in SQL: as one JSON parameter, because a statement binds at most a hundred."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_PARAMETER_BYTES: Final = 1_500_000
"""Size of one JSON parameter: D1 takes 2 MB for a bound value; this leaves room."""


def json_groups(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The items as JSON arrays of at most 1.5 MB each, in order; none for no items.

    An item that is larger than that stands in an array of its own.
    """
    group: list[str] = []
    size = 2
    for item in items:
        text, length = _encoded(item)
        if group and size + length + 1 > MAX_PARAMETER_BYTES:
            yield f"[{','.join(group)}]"
            group, size = [], 2
        group.append(text)
        size += length + 1
    if group:
        yield f"[{','.join(group)}]"


def _encoded(item: Mapping[str, Any]) -> tuple[str, int]:
    """An item as JSON, with its size in bytes."""
    # Characters as they are: as escapes most would be twice as long, or three times.
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:  # half a character, which only an escape can hold
        text = json.dumps(item, separators=(",", ":"))
        return text, len(text)
