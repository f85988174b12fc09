"""What the core does with vectors: check a model's answer, and compare two of them exactly."""

from __future__ import annotations

import math
import sys
from array import array
from typing import TYPE_CHECKING

from cognate.errors import UnusableEmbeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Vectors

if sys.version_info >= (3, 12):
    from math import sumprod
else:  # the host's oldest Python; the Worker runs a newer one

    def sumprod(left: Sequence[float], right: Sequence[float]) -> float:
        """The inner product of two equally long sequences."""
        return math.fsum(a * b for a, b in zip(left, right, strict=True))


def checked(vectors: Vectors, *, count: int, model: EmbeddingModel) -> Vectors:
    """The same vectors, once their number and every length are what was asked for, all numbers.

    Nothing positional is trusted: an answer that is one short would give every later text its
    neighbour's vector.

    Raises:
        UnusableEmbeddings: a wrong count, a vector of a wrong length, or what is no number.
    """
    lengths = vectors.lengths()
    if len(lengths) != count:
        message = f"{model.name} answered {len(lengths)} vectors for {count} texts"
        raise UnusableEmbeddings(message)
    wrong = {length for length in lengths if length != model.dimensions}
    if wrong:
        message = f"{model.name} answered vectors of {sorted(wrong)} instead of {model.dimensions}"
        raise UnusableEmbeddings(message)
    if not vectors.are_finite():
        message = f"{model.name} answered components that are no finite numbers"
        raise UnusableEmbeddings(message)
    return vectors


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
        """The cosine with another vector of as many components, in -1 to 1.

        Computed in double precision from the stored float32 values; 0 when either is all zeros, or
        holds what is no number.
        """
        other = from_float32(data)
        norm = self._norm * math.sqrt(sumprod(other, other))
        # Not NaN either: a bound of NaN would be 1, and the pair a duplicate.
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
