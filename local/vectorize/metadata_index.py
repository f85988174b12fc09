"""Select the metadata values that go into the metadata indexes when a vector is written.

Only the indexes that exist at the write get a value. A missing value, or a value of another type
than that of the index, is not in the index. Then no filter on that property finds the vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from local.vectorize.limits import MAX_INDEXED_BYTES

if TYPE_CHECKING:
    from local.vectorize.index_config import PropertyType

IndexedValue = str | float | bool
"""An indexed value: a string of at most 64 bytes, a float64, or a boolean."""

_SEPARATOR: Final = "."


def indexed_values(
    metadata: Mapping[str, Any] | None, indexes: Mapping[str, PropertyType]
) -> dict[str, IndexedValue]:
    """The value that each index gets from this metadata, by property."""
    found: dict[str, IndexedValue] = {}
    for name, kind in indexes.items():
        value = _indexed(_at_path(metadata, name), kind)
        if value is not None:
            found[name] = value
    return found


def as_metadata(indexed: Mapping[str, IndexedValue]) -> dict[str, Any]:
    """Indexed values in the shape of metadata, as `returnMetadata: "indexed"` shows them."""
    metadata: dict[str, Any] = {}
    for name, value in indexed.items():
        *parents, last = name.split(_SEPARATOR)
        place = metadata
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return metadata


def cut_string(text: str) -> str:
    """The longest beginning of `text` with at most 64 bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_INDEXED_BYTES:
        return text
    return encoded[:MAX_INDEXED_BYTES].decode("utf-8", "ignore")


def _indexed(value: object, kind: PropertyType) -> IndexedValue | None:
    if kind == "string":
        return cut_string(value) if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _at_path(metadata: object, name: str) -> object:
    for part in name.split(_SEPARATOR):
        if not isinstance(metadata, Mapping):
            return None
        metadata = metadata.get(part)
    return metadata
