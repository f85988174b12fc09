"""Vectors that a model answered are checked before they are used."""

from __future__ import annotations

import math

import pytest

from cognate.embedding.vector_checks import checked
from cognate.errors import UnusableEmbeddings
from local.adapters.vector_ports import ListVectors
from tests.stage.platform import BASE

GOOD = [0.5] * BASE.dimensions


def test_an_answer_of_the_right_shape_is_handed_on() -> None:
    """The very object, without a copy."""
    vectors = ListVectors([GOOD, GOOD])
    assert checked(vectors, count=2, model=BASE) is vectors


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [GOOD],
        [GOOD, GOOD, GOOD],
        [GOOD, []],
        [GOOD, GOOD[:-1]],
        [[*GOOD, 0.5], GOOD],
        [[*GOOD[1:], math.nan], GOOD],
        [GOOD, [math.inf, *GOOD[1:]]],
    ],
    ids=[
        "none",
        "one short",
        "one more",
        "an empty one",
        "a short one",
        "a long one",
        "a NaN",
        "infinite",
    ],
)
def test_an_answer_of_another_shape_is_refused(rows: list[list[float]]) -> None:
    """One vector too few would give every later text its neighbour's."""
    with pytest.raises(UnusableEmbeddings):
        checked(ListVectors(rows), count=2, model=BASE)
