"""Tests of `local.ai.embedding_spaces`."""

from collections.abc import Sequence

import numpy as np
import pytest

from local.ai.embedding_spaces import PoolingMethod, StandInEncoder, bge_scale, in_space
from local.ai.sentence_model import Matrix

BASE = "@cf/baai/bge-base-en-v1.5"
LARGE = "@cf/baai/bge-large-en-v1.5"
M3 = "@cf/baai/bge-m3"


def unit_vectors(count: int) -> Matrix:
    """Unit vectors of 384 components, the same ones each time."""
    drawn = np.random.default_rng(7).standard_normal((count, 384)).astype(np.float32)
    unit: Matrix = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


class Sentences:
    """A sentence model with fixed vectors. It remembers whether whole texts were asked for."""

    def __init__(self) -> None:
        self.whole: list[bool] = []

    def count_tokens(self, text: str) -> int:
        """Count words."""
        return len(text.split())

    def encode(self, texts: Sequence[str], *, whole: bool = False) -> Matrix:
        """One vector for each text."""
        self.whole.append(whole)
        return unit_vectors(len(texts))


@pytest.mark.parametrize("dimensions", [768, 1024])
def test_a_cosine_becomes_that_of_the_bge_scale(dimensions: int) -> None:
    """It is exactly (c + 0.8) / 1.8 if no component is dropped."""
    vectors = unit_vectors(5)
    scaled = bge_scale(vectors, dimensions)
    assert scaled.shape == (5, dimensions)
    assert scaled @ scaled.T == pytest.approx((vectors @ vectors.T + 0.8) / 1.8, abs=1e-5)


def test_384_dimensions_cost_one_component_and_little_else() -> None:
    """The vectors keep unit length, and the cosines change by a few thousandths."""
    vectors = unit_vectors(5)
    scaled = bge_scale(vectors, 384)
    assert scaled.shape == (5, 384)
    assert np.linalg.norm(scaled, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert scaled @ scaled.T == pytest.approx((vectors @ vectors.T + 0.8) / 1.8, abs=0.02)


def test_cosines_inside_a_space_do_not_change() -> None:
    """Only the order and the signs of components change."""
    scaled = bge_scale(unit_vectors(4), 768)
    moved = in_space(scaled, BASE, "cls")
    assert moved @ moved.T == pytest.approx(scaled @ scaled.T, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((BASE, "cls"), (BASE, "mean")),
        ((LARGE, "cls"), (M3, "cls")),
        ((LARGE, "mean"), (M3, "cls")),
    ],
)
def test_two_spaces_cannot_be_compared(
    first: tuple[str, PoolingMethod], second: tuple[str, PoolingMethod]
) -> None:
    """One text in two spaces looks like two unrelated texts."""
    scaled = bge_scale(unit_vectors(20), 1024)
    cosines = np.einsum("ij,ij->i", in_space(scaled, *first), in_space(scaled, *second))
    assert np.abs(cosines).max() < 0.3


def test_a_space_is_the_same_in_every_process() -> None:
    """Vectors on disk stay comparable, so this test has the first components of one space."""
    numbered = np.arange(1, 769, dtype=np.float32)[None]
    moved = in_space(numbered, BASE, "cls")[0]
    assert moved[:6].tolist() == [227.0, 508.0, -319.0, -51.0, -402.0, 179.0]
    assert sorted(np.abs(moved)) == numbered[0].tolist()


def test_only_long_context_models_read_whole_texts() -> None:
    """The English models cut a text; bge-m3 does not."""
    sentences = Sentences()
    encoder = StandInEncoder(sentences, frozenset({M3}))
    encoder.encode(BASE, 768, "cls", ["a"])
    encoder.encode(M3, 1024, "cls", ["a"])
    assert sentences.whole == [False, True]
    assert encoder.count_tokens(BASE, "two words") == 2
