"""Exact cosines of float32 vectors."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.ports import StoredVectors
from cognate.search.nearest import QueryVector, from_float32
from cognate.search.similarity import rows_of
from local.adapters.vector_ports import ListVectors


def data(*components: float) -> bytes:
    """Components as D1 stores them."""
    return array("f", components).tobytes()


def test_a_cosine_does_not_know_lengths() -> None:
    """Only the directions of two vectors count."""
    query = QueryVector(data(3, 0))
    assert query.cosine(data(1, 1)) == pytest.approx(math.sqrt(0.5))
    assert query.cosine(data(-7, 0)) == -1.0
    assert query.cosine(data(0, 2)) == 0.0


@pytest.mark.parametrize(
    "odd", [(0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0), (-math.inf, math.inf)]
)
def test_what_has_no_direction_is_near_to_nothing(odd: tuple[float, float]) -> None:
    """The cosine with a vector of zeros or without finite numbers is 0."""
    assert QueryVector(data(1, 1)).cosine(data(*odd)) == 0.0
    assert QueryVector(data(*odd)).cosine(data(1, 1)) == 0.0


finite = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(finite, min_size=3, max_size=3), st.lists(finite, min_size=3, max_size=3))
def test_a_cosine_is_symmetric_and_bounded(left: list[float], right: list[float]) -> None:
    """A cosine is the same both ways, and rounding keeps it within -1 and 1."""
    one, other = data(*left), data(*right)
    score = QueryVector(one).cosine(other)
    assert -1 <= score <= 1
    assert score == pytest.approx(QueryVector(other).cosine(one))


def test_stored_vectors_know_their_shape() -> None:
    """Bytes from D1 and numbers of a caller become vectors of the right shape."""
    stored = StoredVectors(data(1, 2, 3, 4, 5, 6), 3)
    assert list(stored.lengths()) == [3, 3]
    assert from_float32(StoredVectors.of([1, 2, 3]).float32()).tolist() == [1, 2, 3]


def test_the_numbers_of_each_vector_are_a_row() -> None:
    """Each vector becomes a list of its float32 numbers, in order."""
    assert [[0.5, -1.0], [2.0, 0.25]] == rows_of(StoredVectors(data(0.5, -1.0, 2.0, 0.25), 2))
    assert [] == rows_of(ListVectors([]))
