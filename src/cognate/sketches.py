"""Sketches: a vector as the signs of its components, one bit each.

Two vectors that point the same way share most signs, so the number of bits in which two sketches
differ orders candidates nearly as their cosine does, at about a hundredth of the cost. A sketch
proposes only; the exact cosine of the stored vectors decides.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from cognate.ports import FLOAT32_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

BITS_PER_DIGIT: Final = 4
"""Bits of one hexadecimal digit."""

_SIGNS: Final = bytes(ord("1") if byte & 0x80 else ord("0") for byte in range(256))
"""The highest byte of a float32 to its sign, as a binary digit."""


def digits_of(dimensions: int) -> int:
    """Hexadecimal digits of the sketch of a vector with so many components."""
    return -(-dimensions // BITS_PER_DIGIT)


def sketch(vector: bytes) -> str:
    """The sketch of one vector, given as little-endian float32, in hexadecimal digits."""
    signs = vector[FLOAT32_BYTES - 1 :: FLOAT32_BYTES].translate(_SIGNS)
    return format(int(signs, 2), f"0{digits_of(len(signs))}x")


def nearest_sketches(query: str, sketches: Iterable[str], count: int) -> list[int]:
    """The places of the sketches that differ least from the query's; ties in order.

    Args:
        query: a sketch.
        sketches: as many digits each.
        count: how many places at most.
    """
    wanted = int(query, 16)
    distances = array("H", [(int(item, 16) ^ wanted).bit_count() for item in sketches])
    return sorted(range(len(distances)), key=distances.__getitem__)[:count]
