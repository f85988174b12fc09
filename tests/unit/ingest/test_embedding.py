"""Embedding: nothing positional is trusted, and one bad text fails alone."""

from __future__ import annotations

import asyncio

import pytest

from cognate.errors import EmbedderBusy, EmbedderRejected, PlatformError, UnusableEmbeddings
from cognate.ingest.embedding import ChunkText, Placed, embed_texts
from cognate.ports import FLOAT32_BYTES
from tests.unit.core.stage import BASE, Stage

SIZE = BASE.dimensions * FLOAT32_BYTES


def embed(stage: Stage, texts: list[ChunkText]) -> list[Placed | PlatformError]:
    """Where the vectors are."""
    return asyncio.run(embed_texts(stage.platform.embedder, BASE, texts))


def vector(place: Placed | PlatformError) -> bytes:
    """The vector at a place."""
    assert isinstance(place, Placed)
    return place.vectors.float32()[place.position * SIZE : (place.position + 1) * SIZE]


def alone(stage: Stage, text: str) -> bytes:
    """The vector of a text by itself."""
    [place] = embed(stage, [ChunkText(text)])
    return vector(place)


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)])
def test_a_call_takes_a_hundred_texts(count: int, calls: int) -> None:
    """Each text gets its own vector, across the calls."""
    stage = Stage()
    texts = [f"text number {number}" for number in range(count)]
    placed = embed(stage, [ChunkText(text) for text in texts])
    assert (len(placed), stage.calls("AI.run")) == (count, calls)
    for number in range(0, count, 33):
        assert vector(placed[number]) == alone(stage, texts[number])


def test_poison_among_a_hundred_fails_alone() -> None:
    """Fifteen calls at most, and no neighbour is shifted."""
    stage = Stage()
    texts = [f"text number {number}" for number in range(100)]
    texts[61] = "poison"
    stage.fault("run", message="5006: invalid input", match="poison", count=100)
    placed = embed(stage, [ChunkText(text) for text in texts])
    assert stage.calls("AI.run") <= 15
    assert [place for place in placed if isinstance(place, PlatformError)] == [placed[61]]
    assert isinstance(placed[61], EmbedderRejected)
    for number in (0, 60, 62, 99):
        assert vector(placed[number]) == alone(stage, texts[number])


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
def test_an_unusable_answer_is_nobodys_vector(kind: str) -> None:
    """The first time it is taken for a hiccup: one call, and all of them come back."""
    stage = Stage()
    stage.fault("run", kind, count=100)  # type: ignore[arg-type]  # the parameters above
    placed = embed(stage, [ChunkText(f"text {number}") for number in range(10)])
    assert stage.calls("AI.run") == 1
    assert all(isinstance(place, UnusableEmbeddings) for place in placed)


def test_a_suspect_that_spoils_its_answers_is_found() -> None:
    """From the second time on, by halving; a fresh neighbour of it is none the worse."""
    stage = Stage()
    stage.fault("run", "short", match="poison", count=100)
    texts = [ChunkText("fresh"), ChunkText("one", suspect=True), ChunkText("poison", suspect=True)]
    placed = embed(stage, [*texts, ChunkText("also fresh")])
    errors = [isinstance(place, PlatformError) for place in placed]
    assert errors == [False, False, True, False]


def test_an_outage_in_the_middle_of_the_halving_stays_where_it_is() -> None:
    """What was embedded is kept, and what was not says why."""
    stage = Stage()
    stage.fault("run", message="5006: invalid input", match="poison")
    stage.fault("run", message="3040: out of capacity", match="poison")
    placed = embed(stage, [ChunkText("one"), ChunkText("two"), ChunkText("poison"), ChunkText("x")])
    assert [type(place) for place in placed] == [Placed, Placed, EmbedderBusy, EmbedderBusy]
