"""Sketches: the signs of components, and which of them differ least."""

from __future__ import annotations

from array import array
from random import Random

import pytest

from cognate.ports import StoredVectors
from cognate.sketches import digits_of, nearest_sketches, sketch
from cognate.vectors import QueryVector


def of(*numbers: float) -> bytes:
    """A vector as float32 bytes."""
    return StoredVectors.of(numbers).float32()


@pytest.mark.parametrize(
    ("numbers", "digits"),
    [
        ((1, 1, 1, 1), "0"),
        ((-1, 1, 1, 1), "8"),
        ((1, 1, 1, -0.5), "1"),
        ((-1, -1, -1, -1, 1, 1, 1, 1), "f0"),
        # Zeros have a sign too, and always the same one.
        ((0.0, 0.0, 0.0, 0.0), "0"),
    ],
)
def test_a_bit_is_a_sign(numbers: tuple[float, ...], digits: str) -> None:
    """The first component is the highest bit."""
    assert digits == sketch(of(*numbers))


@pytest.mark.parametrize("dimensions", [384, 768, 1024])
def test_a_sketch_has_a_fixed_length(dimensions: int) -> None:
    """Leading zeros are kept, so that sketches can stand one after the other."""
    assert digits_of(dimensions) == len(sketch(of(*[1.0] * dimensions))) == dimensions // 4


def test_the_nearest_are_those_with_the_fewest_other_signs() -> None:
    """Ties keep their order, and no more are answered than asked for."""
    assert [2, 0, 3] == nearest_sketches("0f", ["1f", "ff", "0f", "2f", "f0"], 3)
    assert [0] == nearest_sketches("0", ["f"], 3)
    assert [] == nearest_sketches("0", [], 3)


def test_sketches_choose_what_cosines_would() -> None:
    """Among a thousand random vectors, those that were made near are always chosen."""
    random = Random(7)  # noqa: S311 - a test, no secret

    def drawn() -> list[float]:
        return [random.gauss(0, 1) for _ in range(384)]

    for _ in range(20):
        query = drawn()
        near = [[a + 0.7 * b for a, b in zip(query, drawn(), strict=True)] for _ in range(5)]
        vectors = [of(*numbers) for numbers in [*near, *(drawn() for _ in range(200))]]
        exact = QueryVector(of(*query))
        best = max(range(len(vectors)), key=lambda place: exact.cosine(vectors[place]))
        chosen = nearest_sketches(sketch(of(*query)), map(sketch, vectors), 5)
        assert set(chosen) == {0, 1, 2, 3, 4}
        assert best in chosen


def test_every_float32_has_a_sign() -> None:
    """The highest bit of each, whatever the other bits are."""
    numbers = array("f", [-(2.0**exponent) for exponent in range(-126, 127)])
    assert int(sketch(numbers.tobytes()), 16) == 2 ** len(numbers) - 1
