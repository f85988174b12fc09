"""Sketches: the signs of the components of a vector, one bit each.

Two vectors with a similar direction share most signs. So the number of bits in which two sketches
differ orders candidates nearly as their cosine does, at about a hundredth of the cost. A sketch
only proposes candidates; the exact cosine of the stored vectors decides.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections import Counter
from typing import TYPE_CHECKING, Final

from cognate.ports import FLOAT32_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.embedding.embed import VectorRow

BITS_PER_GROUP: Final = 24
"""Bits of four letters of base64. A sketch has whole groups, so that sketches can be joined."""

CHUNKS_OF_A_RECORD: Final = 3
"""At most so many chunks of one record are chosen by their sketches."""

_SIGNS: Final = bytes(ord("1") if byte & 0x80 else ord("0") for byte in range(256))
"""Maps the highest byte of a float32 to its sign, as a binary digit."""


def letters_of(dimensions: int) -> int:
    """Return the length of the sketch of a vector with so many components."""
    return -(-dimensions // BITS_PER_GROUP) * 4


def sketch(vector: bytes) -> str:
    """Make the sketch of one vector, in base64. The vector is little-endian float32."""
    signs = vector[FLOAT32_BYTES - 1 :: FLOAT32_BYTES].translate(_SIGNS)
    size = letters_of(len(signs)) * 3 // 4
    return b2a_base64(int(signs, 2).to_bytes(size, "big"), newline=False).decode()


def by_distance(query: str, sketches: str) -> list[int]:
    """Return the places of all sketches, the most similar first; ties keep their order.

    Args:
        query: a sketch.
        sketches: one after the other, each as long as the query.
    """
    wanted, data, number = a2b_base64(query), a2b_base64(sketches), int.from_bytes
    size, bits = len(wanted), number(wanted, "big")
    distances = [
        (number(data[start : start + size], "big") ^ bits).bit_count()
        for start in range(0, len(data), size)
    ]
    return sorted(range(len(distances)), key=distances.__getitem__)


def nearest_chunks(
    query: str, sketches: str, keys: Sequence[str], count: int
) -> list[dict[str, str | int]]:
    """Choose the chunks whose sketches are most similar to the query, and few of each record.

    A long record does not take the places of other records.

    Args:
        query: a sketch.
        sketches: of every chunk, one after the other.
        keys: of the records, in the same order. The key of a record with several chunks has their
            number behind a colon.
        count: how many chunks at most.

    Returns:
        For each chunk, the `key` of its record and its number, `chunk`.
    """
    chosen: list[dict[str, str | int]] = []
    taken: Counter[str] = Counter()
    chunks = _chunks(keys) if len(keys) * len(query) < len(sketches) else None
    for place in by_distance(query, sketches) if keys else ():
        if len(chosen) == count:
            break
        key, chunk = (keys[place], 0) if chunks is None else chunks[place]
        if taken[key] < CHUNKS_OF_A_RECORD:
            taken[key] += 1
            chosen.append({"key": key, "chunk": chunk})
    return chosen


def _chunks(keys: Sequence[str]) -> list[tuple[str, int]]:
    parsed = (key.partition(":") for key in keys)
    return [(key, chunk) for key, _, chunks in parsed for chunk in range(int(chunks or 1))]


class Components:
    """The float32 bytes of batches of vectors. Each batch leaves JavaScript once."""

    def __init__(self) -> None:
        """Start without a batch."""
        self._batches: dict[int, bytes] = {}

    def hex(self, rows: Sequence[VectorRow]) -> str:
        """The vectors, one after the other, as hexadecimal digits."""
        return "".join(self._bytes(row).hex() for row in rows)

    def sketches(self, rows: Sequence[VectorRow]) -> str:
        """The sketches of the vectors, one after the other."""
        return "".join(sketch(self._bytes(row)) for row in rows)

    def _bytes(self, row: VectorRow) -> bytes:
        data = self._batches.get(id(row.vectors))
        if data is None:
            data = self._batches[id(row.vectors)] = row.vectors.float32()
        size = row.vectors.lengths()[row.position] * FLOAT32_BYTES
        return data[row.position * size : (row.position + 1) * size]
