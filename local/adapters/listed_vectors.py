"""Vectors as the local platform has them: lists of numbers, as in JSON."""

from __future__ import annotations

import math
from array import array
from itertools import chain
from typing import TYPE_CHECKING

from cognate.ports import FLOAT32_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Vectors


class ListVectors:
    """`cognate.ports.Vectors` over the lists that the local Workers AI answered."""

    def __init__(self, rows: Sequence[list[float]]) -> None:
        """Take the rows as they came."""
        self.rows = rows

    def lengths(self) -> Sequence[int]:
        """See `cognate.ports.Vectors.lengths`."""
        return [len(row) for row in self.rows]

    def are_finite(self) -> bool:
        """See `cognate.ports.Vectors.are_finite`."""
        try:
            return all(map(math.isfinite, chain.from_iterable(self.rows)))
        except TypeError:
            return False  # null, or a text

    def float32(self) -> bytes:
        """See `cognate.ports.Vectors.float32`; for a machine that is little-endian."""
        return array("f", chain.from_iterable(self.rows)).tobytes()


def row_of(vectors: Vectors, position: int) -> list[float]:
    """One vector as the local Vectorize takes it."""
    if isinstance(vectors, ListVectors):
        return vectors.rows[position]
    size = vectors.lengths()[position] * FLOAT32_BYTES
    start = position * size
    return array("f", vectors.float32()[start : start + size]).tolist()
