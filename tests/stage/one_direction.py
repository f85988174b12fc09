"""An encoder without a model: the cosine to a stored vector is what a test says it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.ai.embedding_spaces import PoolingMethod
    from local.ai.sentence_model import Matrix


class OneDirection:
    """A `TextEncoder` for which every text has the same vector."""

    def count_tokens(self, model: str, text: str) -> int:
        """Count the words."""
        del model
        return len(text.split())

    def encode(
        self, model: str, dimensions: int, pooling: PoolingMethod, texts: Sequence[str]
    ) -> Matrix:
        """Return the vector once for each text."""
        del model, pooling
        return np.array([at_cosine(1, dimensions)] * len(texts), dtype=np.float32)


def at_cosine(cosine: float, dimensions: int) -> list[float]:
    """Make a unit vector at that cosine to the vector of every text."""
    return [cosine, math.sqrt(1 - cosine**2)] + [0.0] * (dimensions - 2)
