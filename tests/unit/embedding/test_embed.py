"""Embedding: nothing positional is trusted, and one bad text fails alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.embedding.embed import CONTROL_TEXT, Placed, embed_texts
from cognate.errors import (
    EmbedderBusy,
    EmbedderRejected,
    PlatformError,
    UnembeddableText,
    UnusableEmbeddings,
)
from cognate.ports import FLOAT32_BYTES
from tests.stage.platform import BASE, Stage

if TYPE_CHECKING:
    from local.bindings.faults import FaultKind

SIZE = BASE.dimensions * FLOAT32_BYTES


async def embed(stage: Stage, texts: list[str]) -> list[Placed | PlatformError]:
    """Where the vectors are."""
    return await embed_texts(stage.platform.embedder, BASE, texts)


def vector(place: Placed | PlatformError) -> bytes:
    """The vector at a place."""
    assert isinstance(place, Placed)
    return place.vectors.float32()[place.position * SIZE : (place.position + 1) * SIZE]


async def alone(stage: Stage, text: str) -> bytes:
    """The vector of a text by itself."""
    [place] = await embed(stage, [text])
    return vector(place)


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)])
async def test_a_call_takes_a_hundred_texts(count: int, calls: int) -> None:
    """Each text gets its own vector, across the calls."""
    stage = Stage()
    texts = [f"text number {number}" for number in range(count)]
    placed = await embed(stage, texts)
    assert (len(placed), stage.calls("AI.run")) == (count, calls)
    for number in range(0, count, 33):
        assert vector(placed[number]) == await alone(stage, texts[number])


async def test_poison_among_a_hundred_fails_alone() -> None:
    """Fifteen calls at most, and no neighbour is shifted."""
    stage = Stage()
    texts = [f"text number {number}" for number in range(100)]
    texts[61] = "poison"
    stage.fault("run", message="5006: invalid input", match="poison", count=100)
    placed = await embed(stage, texts)
    assert stage.calls("AI.run") <= 15
    assert [place for place in placed if isinstance(place, PlatformError)] == [placed[61]]
    assert isinstance(placed[61], EmbedderRejected)
    for number in (0, 60, 62, 99):
        assert vector(placed[number]) == await alone(stage, texts[number])


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
async def test_an_unusable_answer_is_nobodys_vector(kind: FaultKind) -> None:
    """A model that answers nothing else is to blame: one call, and another to find that out."""
    stage = Stage()
    stage.fault("run", kind, count=100)
    placed = await embed(stage, [f"text {number}" for number in range(10)])
    assert stage.calls("AI.run") == 2
    assert [type(place) for place in placed] == [UnusableEmbeddings] * 10


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
async def test_a_text_that_spoils_its_answers_is_found(kind: FaultKind) -> None:
    """By halving, because the model answers well to another text; its neighbours get theirs."""
    stage = Stage()
    stage.fault("run", kind, match="poison", count=100)
    texts = [f"text number {number}" for number in range(100)]
    texts[61] = "poison"
    placed = await embed(stage, texts)
    assert stage.calls("AI.run") <= 16
    assert [place for place in placed if isinstance(place, PlatformError)] == [placed[61]]
    assert isinstance(placed[61], UnembeddableText)
    for number in (0, 60, 62, 99):
        assert vector(placed[number]) == await alone(stage, texts[number])


async def test_a_hiccup_costs_no_text_its_vector() -> None:
    """What was unusable once is asked for again in halves."""
    stage = Stage()
    stage.fault("run", "short")
    placed = await embed(stage, [f"text {number}" for number in range(10)])
    assert all(isinstance(place, Placed) for place in placed)
    assert stage.calls("AI.run") == 4


async def test_a_model_that_is_away_for_the_control_text_blames_nobody() -> None:
    """An outage that begins with an odd answer is an outage."""
    stage = Stage()
    stage.fault("run", "short", match="a text")
    stage.fault("run", message="3040: out of capacity", match=CONTROL_TEXT)
    assert [type(place) for place in await embed(stage, ["a text", "x"])] == [
        UnusableEmbeddings
    ] * 2


async def test_an_outage_in_the_middle_of_the_halving_stays_where_it_is() -> None:
    """What was embedded is kept, and what was not says why."""
    stage = Stage()
    stage.fault("run", message="5006: invalid input", match="poison")
    stage.fault("run", message="3040: out of capacity", match="poison")
    placed = await embed(stage, ["one", "two", "poison", "x"])
    assert [type(place) for place in placed] == [Placed, Placed, EmbedderBusy, EmbedderBusy]
