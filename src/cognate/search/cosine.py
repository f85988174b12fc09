"""Exact cosines, and the numbers of vectors that are kept as float32 bytes."""

from __future__ import annotations

import math
import sys
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Vectors

if sys.version_info >= (3, 12):
    from math import sumprod
else:  # The oldest Python of the host. The Worker runs a newer one.

    def sumprod(left: Sequence[float], right: Sequence[float]) -> float:
        """The inner product of two sequences of the same length."""
        return math.fsum(a * b for a, b in zip(left, right, strict=True))


class QueryVector:
    """One vector, prepared to be compared with many.

    Attributes:
        components: float32 values.
    """

    def __init__(self, data: bytes) -> None:
        """Take one vector as little-endian float32 bytes."""
        self.components = from_float32(data)
        self._norm = math.sqrt(sumprod(self.components, self.components))

    def cosine(self, data: bytes) -> float:
        """The cosine with another vector of the same length, from -1 to 1.

        It is computed in double precision from the stored float32 values. It is 0 if either vector
        is all zeros or has a component that is not a finite number.
        """
        other = from_float32(data)
        norm = self._norm * math.sqrt(sumprod(other, other))
        # NaN must be excluded too: bounded to -1..1 it would be 1, and the pair a duplicate.
        if not 0 < norm < math.inf:
            return 0.0
        return max(-1.0, min(1.0, sumprod(self.components, other) / norm))


def from_float32(data: bytes) -> array[float]:
    """The components of little-endian float32 bytes."""
    components = array("f")
    components.frombytes(data)
    if sys.byteorder == "big":
        components.byteswap()
    return components


def rows_of(vectors: Vectors) -> list[list[float]]:
    """The numbers of each vector, for a caller who asked for them: `[count][dimensions]`."""
    numbers = from_float32(vectors.float32()).tolist()
    rows, start = [], 0
    for length in vectors.lengths():
        rows.append(numbers[start : start + length])
        start += length
    return rows
