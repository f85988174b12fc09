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
        text = json.dumps(item, separators=(",", ":"))  # ASCII: a character is a byte
        if group and size + len(text) + 1 > MAX_PARAMETER_BYTES:
            yield f"[{','.join(group)}]"
            group, size = [], 2
        group.append(text)
        size += len(text) + 1
    if group:
        yield f"[{','.join(group)}]"
