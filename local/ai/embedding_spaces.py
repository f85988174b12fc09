"""One sentence model instead of all bge models, with their dimensions, scale and separate spaces.

Three properties of the real models are imitated:

- Unrelated texts have a bge cosine of about 0.4, not 0. So a constant component is appended to the
  unit vector. Its square is 0.8, which maps a cosine c to (c + 0.8) / 1.8.
- Vectors of two models, or of two poolings of one model, cannot be compared. So each model and
  pooling has its own order and signs of components. A comparison across spaces gives a cosine near
  0. Inside a space no cosine changes.
- bge-small has 384 components, as many as the sentence model. So its last component is replaced by
  the constant.
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

PoolingMethod = Literal["cls", "mean"]

CONSTANT_SQUARED: Final = 0.8
"""Square of the constant component, relative to a unit vector."""


class TextEncoder(Protocol):
    """Computes the vectors of the local Workers AI."""

    def count_tokens(self, model: str, text: str) -> int:
        """The number of tokens of the whole `text`, as `model` counts them."""
        ...

    def encode(
        self, model: str, dimensions: int, pooling: PoolingMethod, texts: Sequence[str]
    ) -> Matrix:
        """Unit vectors, `[n, dimensions]`, in the order of the texts."""
        ...


class SentenceEncoder(Protocol):
    """A sentence model. Its unit vectors have its own size and are in one space."""

    def count_tokens(self, text: str) -> int:
        """The number of tokens of `text`."""
        ...

    def encode(self, texts: Sequence[str], *, whole: bool = False) -> Matrix:
        """Unit vectors, `[n, size]`, of the first 512 tokens or of the whole text."""
        ...


class StandInEncoder:
    """A `TextEncoder` over one sentence model.

    Args:
        sentences: the model behind every name.
        whole: the names of the models that read more than 512 tokens.
    """

    def __init__(self, sentences: SentenceEncoder, whole: frozenset[str] = frozenset()) -> None:
        self._sentences = sentences
        self._whole = whole

    def count_tokens(self, model: str, text: str) -> int:
        """The count of the sentence model. It is exact for the English bge models."""
        del model
        return self._sentences.count_tokens(text)

    def encode(
        self, model: str, dimensions: int, pooling: PoolingMethod, texts: Sequence[str]
    ) -> Matrix:
        """Unit vectors, `[n, dimensions]`, in the space of this model and pooling."""
        vectors = self._sentences.encode(texts, whole=model in self._whole)
        return in_space(bge_scale(vectors, dimensions), model, pooling)


def bge_scale(vectors: Matrix, dimensions: int) -> Matrix:
    """Unit vectors, `[n, dimensions]`, with the cosines of `vectors` on the bge scale."""
    kept = min(vectors.shape[1], dimensions - 1)
    scaled = np.zeros((len(vectors), dimensions), dtype=np.float32)
    scaled[:, :kept] = vectors[:, :kept]
    scaled[:, :kept] /= np.linalg.norm(scaled[:, :kept], axis=1, keepdims=True)
    scaled[:, kept] = CONSTANT_SQUARED**0.5
    scaled /= np.float32((1 + CONSTANT_SQUARED) ** 0.5)
    return scaled


def in_space(vectors: Matrix, model: str, pooling: PoolingMethod) -> Matrix:
    """The vectors with the order and signs of components of this model and pooling."""
    order, signs = _space(model, pooling, vectors.shape[1])
    moved: Matrix = vectors[:, order] * signs
    return moved


@lru_cache(maxsize=32)
def _space(model: str, pooling: PoolingMethod, dimensions: int) -> tuple[NDArray[np.int64], Matrix]:
    # A hash, because another version of NumPy may draw other numbers, and vectors stay on disk.
    stream = hashlib.shake_256(f"{model} {pooling}".encode()).digest(8 * dimensions)
    drawn = np.frombuffer(stream, dtype="<u8")
    signs = np.where(drawn % 2, np.float32(1), np.float32(-1))
    return np.argsort(drawn, kind="stable"), signs
