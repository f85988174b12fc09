"""Thousands of random moves; whatever happened, the end is right.

A seed that ends badly is played again by itself: `RandomStory(seed).play(MOVES)`, and its `log`
tells the moves.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.stage.story import RandomStory

MOVES: Final = 120
SEEDS: Final = 120


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
async def test_ten_stories(first: int) -> None:
    """After random moves and faults, all jobs have ended and the indexes agree with D1."""
    found = {seed: await RandomStory(seed).play(MOVES) for seed in range(first, first + 10)}
    assert {seed: wrong for seed, wrong in found.items() if wrong} == {}
