"""The sentence model in the place of bge: its dimensions, its scale, and its separate spaces.

Three things about the real models matter to whoever builds on them, and are kept here:

- Unrelated texts have a bge cosine of about 0.4, not 0. A constant component whose square is 0.8,
  appended to the unit vector, maps a cosine c to (c + 0.8) / 1.8.
- Vectors of two models, or of one model under two poolings, cannot be compared. Each pair of them
  has its own order and signs of the components, so such a comparison gives a cosine near 0; inside
  one space no cosine changes.
- bge-small has 384 components, as many as the sentence model: that one gives up its last component
  for the constant.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from local.ai.sentence_model import Matrix

Pooling = Literal["cls", "mean"]

CONSTANT_SQUARED: Final = 0.8
"""Square of the constant component beside a unit vector."""


class TextEncoder(Protocol):
    """What computes the vectors behind the local Workers AI."""

    def count_tokens(self, model: str, text: str) -> int:
        """Return how many tokens `model` would see in `text`, before any cut."""
        ...

    def encode(self, model: str, dimensions: int, pooling: Pooling, texts: Sequence[str]) -> Matrix:
        """Return unit vectors, `[n, dimensions]`, in the order of the texts."""
        ...


class SentenceEncoder(Protocol):
    """A sentence model: unit vectors of its own size, in one space."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens `text` has."""
        ...

    def encode(self, texts: Sequence[str], *, whole: bool = False) -> Matrix:
        """Return unit vectors, `[n, size]`, of the first 512 tokens or of the whole text."""
        ...


class StandInEncoder:
    """A `TextEncoder` over one sentence model.

    Args:
        sentences: the model behind every name.
        whole: names of the models that read more than 512 tokens.
    """

    def __init__(self, sentences: SentenceEncoder, whole: frozenset[str] = frozenset()) -> None:
        self._sentences = sentences
        self._whole = whole

    def count_tokens(self, model: str, text: str) -> int:
        """Return the sentence model's count: for the English bge models it is exact."""
        del model
        return self._sentences.count_tokens(text)

    def encode(self, model: str, dimensions: int, pooling: Pooling, texts: Sequence[str]) -> Matrix:
        """Return unit vectors, `[n, dimensions]`, in the space of this model and pooling."""
        vectors = self._sentences.encode(texts, whole=model in self._whole)
        return in_space(bge_scale(vectors, dimensions), model, pooling)


def bge_scale(vectors: Matrix, dimensions: int) -> Matrix:
    """Return unit vectors, `[n, dimensions]`, with the cosines of `vectors` on the bge scale."""
    kept = min(vectors.shape[1], dimensions - 1)
    scaled = np.zeros((len(vectors), dimensions), dtype=np.float32)
    scaled[:, :kept] = vectors[:, :kept]
    scaled[:, :kept] /= np.linalg.norm(scaled[:, :kept], axis=1, keepdims=True)
    scaled[:, kept] = CONSTANT_SQUARED**0.5
    scaled /= np.float32((1 + CONSTANT_SQUARED) ** 0.5)
    return scaled


def in_space(vectors: Matrix, model: str, pooling: Pooling) -> Matrix:
    """Return the vectors with the order and signs of components of this model and pooling."""
    order, signs = _space(model, pooling, vectors.shape[1])
    moved: Matrix = vectors[:, order] * signs
    return moved


@lru_cache(maxsize=32)
def _space(model: str, pooling: Pooling, dimensions: int) -> tuple[NDArray[np.int64], Matrix]:
    # A hash and not NumPy's generator: vectors on disk outlive a version of NumPy.
    stream = hashlib.shake_256(f"{model} {pooling}".encode()).digest(8 * dimensions)
    drawn = np.frombuffer(stream, dtype="<u8")
    signs = np.where(drawn % 2, np.float32(1), np.float32(-1))
    return np.argsort(drawn, kind="stable"), signs
