"""Pass lists to SQL as one JSON parameter, because a statement binds at most a hundred."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_PARAMETER_BYTES: Final = 1_500_000
"""Bytes of one JSON parameter. D1 takes 2 MB for a bound value, so this leaves room."""


def json_groups(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Write the items into JSON arrays of at most 1.5 MB each, in order; no items need no array.

    A larger item is alone in its array.
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
    # Without escapes, which would make most texts two or three times as long.
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    try:
        return text, len(text.encode())
    except UnicodeEncodeError:  # Half of a surrogate pair needs an escape.
        text = json.dumps(item, separators=(",", ":"))
        return text, len(text)
