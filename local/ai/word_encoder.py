"""A cheap encoder for tests. Texts are near if they share words; it knows no meaning.

Each word is a fixed direction from a hash, and a text is the sum of its words. So the cosine of two
texts is about the number of shared words over the geometric mean of their numbers of words. The
encoder is deterministic. A text takes microseconds, and 25 milliseconds in the sentence model.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from local.ai.sentence_model import DIMENSIONS, MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.ai.sentence_model import Matrix

_WORD: Final = re.compile(r"\w+")
_READ_WORDS: Final = MAX_TOKENS - 2
"""A word is a token here. [CLS] and [SEP] are the other two."""


class WordEncoder:
    """A `local.ai.embedding_spaces.SentenceEncoder` over words."""

    def count_tokens(self, text: str) -> int:
        """The number of words, plus two for [CLS] and [SEP]."""
        return len(_WORD.findall(text)) + 2

    def encode(self, texts: Sequence[str], *, whole: bool = False) -> Matrix:
        """Unit vectors, `[n, 384]`, of the first 510 words or of all words."""
        vectors = np.stack([_sum(text, None if whole else _READ_WORDS) for text in texts])
        normalized: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normalized


def _sum(text: str, most: int | None) -> Matrix:
    words = _WORD.findall(text.lower())[:most]
    # Texts without words are all equal.
    total: Matrix = np.sum([_direction(word) for word in words or [""]], axis=0, dtype=np.float32)
    return total


@lru_cache(maxsize=10_000)
def _direction(word: str) -> Matrix:
    """A unit vector whose components have equal size and signs from a hash."""
    digest = hashlib.shake_256(word.encode("utf-8", "replace")).digest(DIMENSIONS // 8)
    bits = np.unpackbits(np.frombuffer(digest, dtype=np.uint8)).astype(np.float32)
    direction: Matrix = (2 * bits - 1) / np.float32(DIMENSIONS**0.5)
    return direction
