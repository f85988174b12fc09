"""Sketches hold the signs of components; near vectors have similar sketches."""

from __future__ import annotations

from array import array
from binascii import a2b_base64, b2a_base64
from random import Random

import pytest

from cognate.embedding.sketches import by_distance, letters_of, nearest_chunks, sketch
from cognate.ports import StoredVectors
from cognate.search.nearest import QueryVector


def of(*numbers: float) -> bytes:
    """Return a vector as float32 bytes."""
    return StoredVectors.of(numbers).float32()


def made(bits: str) -> str:
    """Return a sketch of these bits, given in hexadecimal digits."""
    return b2a_base64(bytes.fromhex(bits).rjust(3, b"\0"), newline=False).decode()


@pytest.mark.parametrize(
    ("numbers", "bits"),
    [
        ((1, 1, 1, 1, 1, 1, 1, 1), "00"),
        ((-1, 1, 1, 1, 1, 1, 1, 1), "80"),
        ((1, 1, 1, 1, 1, 1, 1, -0.5), "01"),
        ((-1, -1, -1, -1, 1, 1, 1, 1), "f0"),
        # Zeros have a sign too, and always the same one.
        ((0.0,) * 8, "00"),
    ],
)
def test_a_bit_is_a_sign(numbers: tuple[float, ...], bits: str) -> None:
    """Each bit of a sketch is a sign; the first component is the highest bit."""
    assert a2b_base64(sketch(of(*numbers))).hex() == "0000" + bits


@pytest.mark.parametrize("dimensions", [384, 768, 1024])
def test_a_sketch_has_a_fixed_length(dimensions: int) -> None:
    """All sketches of one dimension have the same length."""
    assert letters_of(dimensions) == len(sketch(of(*[1.0] * dimensions)))
    assert dimensions // 8 * 4 // 3 <= letters_of(dimensions) < dimensions // 8 * 4 // 3 + 4
    assert "=" not in sketch(of(*[1.0] * dimensions))


def test_the_nearest_are_those_with_the_fewest_other_signs() -> None:
    """Sketches are ordered by the number of other signs, and ties keep their order."""
    assert [2, 0, 3, 1, 4] == by_distance(
        made("0f"), "".join(map(made, ("1f", "ff", "0f", "2f", "f0")))
    )
    assert [0] == by_distance(made("00"), made("ff"))
    assert [] == by_distance(made("00"), "")


def test_sketches_choose_what_cosines_would() -> None:
    """Among a thousand random vectors, sketches choose those with the highest cosine."""
    random = Random(7)  # noqa: S311 - a test, no secret

    def drawn() -> list[float]:
        return [random.gauss(0, 1) for _ in range(384)]

    for _ in range(20):
        query = drawn()
        near = [[a + 0.7 * b for a, b in zip(query, drawn(), strict=True)] for _ in range(5)]
        vectors = [of(*numbers) for numbers in [*near, *(drawn() for _ in range(200))]]
        exact = QueryVector(of(*query))
        best = max(range(len(vectors)), key=lambda place: exact.cosine(vectors[place]))
        chosen = by_distance(sketch(of(*query)), "".join(map(sketch, vectors)))[:5]
        assert set(chosen) == {0, 1, 2, 3, 4}
        assert best in chosen


def test_every_float32_has_a_sign() -> None:
    """The sign is the highest bit of a float32."""
    numbers = array("f", [-(2.0**exponent) for exponent in range(-126, 127)])
    bits = int.from_bytes(a2b_base64(sketch(numbers.tobytes())), "big")
    assert bits == 2 ** len(numbers) - 1


@pytest.mark.parametrize(
    ("keys", "count", "expected"),
    [
        (["a:5", "b:5"], 5, ["a0", "a1", "a2", "b0", "b1"]),
        (["a:5", "b:5"], 100, ["a0", "a1", "a2", "b0", "b1", "b2"]),
        (["a:9", "b"], 100, ["a0", "a1", "a2", "b0"]),
        ([*"abcdefghij"], 3, ["a0", "b0", "c0"]),
        (["a:10"], 0, []),
    ],
)
def test_a_long_record_does_not_take_all_places(
    keys: list[str], count: int, expected: list[str]
) -> None:
    """At most three chunks of one record are chosen."""
    found = nearest_chunks(made("00"), made("00") * 10, keys, count)
    assert [f"{item['key']}{item['chunk']}" for item in found] == expected


def test_without_sketches_nothing_is_near() -> None:
    """Without sketches no chunk is chosen."""
    assert nearest_chunks(made("00"), "", [], 5) == []
    assert nearest_chunks(made("00"), "", [""], 5) == []
