"""Halving: one bad item is found in few calls, and its neighbours are none the worse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from cognate.embedding.halving import isolating
from cognate.errors import EmbedderBusy, EmbedderRejected, PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence


async def isolate(
    items: Sequence[int], bad: set[int], error: PlatformError
) -> tuple[list[tuple[list[int], bool]], int]:
    """The parts with whether each went well, and the number of calls."""
    calls = 0

    async def call(part: Sequence[int]) -> str:
        nonlocal calls
        calls += 1
        if bad & set(part):
            raise error
        return "well"

    found = await isolating(
        items, call, divides=lambda error, _: isinstance(error, EmbedderRejected)
    )
    return [(list(part), result == "well") for part, result in found], calls


async def test_without_a_fault_there_is_one_call() -> None:
    """The usual case costs nothing."""
    assert await isolate(range(100), set(), EmbedderRejected()) == ([(list(range(100)), True)], 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 99, 100])
async def test_one_bad_item_fails_alone(size: int) -> None:
    """Wherever it stands, in at most two calls for each halving and one more."""
    for bad in range(size):
        parts, calls = await isolate(range(size), {bad}, EmbedderRejected())
        assert [part for part, went_well in parts if not went_well] == [[bad]]
        assert [item for part, _ in parts for item in part] == list(range(size))
        assert calls <= 2 * math.ceil(math.log2(size)) + 1


async def test_an_error_that_is_nobodys_own_is_not_divided() -> None:
    """An outage costs one call, not two hundred."""
    assert await isolate(range(100), {3}, EmbedderBusy()) == ([(list(range(100)), False)], 1)


async def test_all_bad_items_are_found() -> None:
    """Several of them, at the ends and side by side."""
    parts, _ = await isolate(range(10), {0, 4, 5, 9}, EmbedderRejected())
    assert [part for part, went_well in parts if not went_well] == [[0], [4], [5], [9]]
