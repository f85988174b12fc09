"""Embed texts: the model's answer is checked, and one bad text fails alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from cognate.embedding.embed import CONTROL_TEXT, VectorRow, checked, embed_texts
from cognate.errors import (
    EmbedderBusy,
    EmbedderRejected,
    PlatformError,
    UnembeddableText,
    UnusableEmbeddings,
)
from cognate.ports import FLOAT32_BYTES, Statement
from local.adapters.vector_ports import ListVectors
from tests.stage.platform import ACME, BASE, GLOBEX, Stage, long_text

if TYPE_CHECKING:
    from local.bindings.faults import FaultKind

SOUND = [0.5] * BASE.dimensions
"""The components of one vector."""

SIZE = BASE.dimensions * FLOAT32_BYTES


async def embed(stage: Stage, texts: list[str]) -> list[VectorRow | PlatformError]:
    """Embed texts by the base model."""
    return await embed_texts(stage.platform.embedder, BASE, texts)


def vector(place: VectorRow | PlatformError) -> bytes:
    """Return the bytes of a vector."""
    assert isinstance(place, VectorRow)
    return place.vectors.float32()[place.position * SIZE : (place.position + 1) * SIZE]


async def alone(stage: Stage, text: str) -> bytes:
    """Return the vector of a text that is embedded alone."""
    [place] = await embed(stage, [text])
    return vector(place)


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)])
async def test_a_call_takes_a_hundred_texts(count: int, calls: int) -> None:
    """One call takes a hundred texts, and each text gets its own vector."""
    stage = Stage()
    texts = [f"text number {number}" for number in range(count)]
    placed = await embed(stage, texts)
    assert (len(placed), stage.calls("AI.run")) == (count, calls)
    for number in range(0, count, 33):
        assert vector(placed[number]) == await alone(stage, texts[number])


async def test_poison_among_a_hundred_fails_alone() -> None:
    """A refused text among a hundred is found in at most 15 calls, and no vector is shifted."""
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
    """If the control text is answered badly too, the model is to blame, and nothing is halved."""
    stage = Stage()
    stage.fault("run", kind, count=100)
    placed = await embed(stage, [f"text {number}" for number in range(10)])
    assert stage.calls("AI.run") == 2
    assert [type(place) for place in placed] == [UnusableEmbeddings] * 10


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
async def test_a_text_that_spoils_its_answers_is_found(kind: FaultKind) -> None:
    """A text that spoils the answers is found by halving, and the other texts get their vectors."""
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
    """After one unusable answer, all texts get their vectors from halves."""
    stage = Stage()
    stage.fault("run", "short")
    placed = await embed(stage, [f"text {number}" for number in range(10)])
    assert all(isinstance(place, VectorRow) for place in placed)
    assert stage.calls("AI.run") == 4


async def test_a_model_that_is_away_for_the_control_text_blames_nobody() -> None:
    """If the model fails for the control text, no text is blamed."""
    stage = Stage()
    stage.fault("run", "short", match="a text")
    stage.fault("run", message="3040: out of capacity", match=CONTROL_TEXT)
    assert [type(place) for place in await embed(stage, ["a text", "x"])] == [
        UnusableEmbeddings
    ] * 2


async def test_an_outage_in_the_middle_of_the_halving_stays_where_it_is() -> None:
    """If an outage begins while a call is halved, the vectors so far are kept."""
    stage = Stage()
    stage.fault("run", message="5006: invalid input", match="poison")
    stage.fault("run", message="3040: out of capacity", match="poison")
    placed = await embed(stage, ["one", "two", "poison", "x"])
    assert [type(place) for place in placed] == [VectorRow, VectorRow, EmbedderBusy, EmbedderBusy]


async def test_a_change_of_metadata_alone_makes_no_call_of_the_model() -> None:
    """A change of metadata writes all chunks to the index again without calling the model."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", long_text(3), "one")
    await stage.drain()
    before = stage.calls("AI.run")
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", long_text(3), "two")
    await stage.drain()
    assert stage.calls("AI.run") == before
    assert [item["storyId"] for item in stage.indexed().values()] == ["two"] * 6
    assert await stage.discrepancies() == []


async def test_vectors_that_are_not_there_are_made_again() -> None:
    """If the stored vectors are missing or damaged, the text is embedded again."""
    stage = Stage()
    for record_id in ("r1", "r2"):
        await stage.write(ACME, record_id, long_text(2), "one")
    await stage.drain()
    await stage.local.database.batch(
        [
            Statement("UPDATE claims SET embedding = NULL WHERE id = 'r1'"),
            Statement("UPDATE claims SET embedding = substr(embedding, 5) WHERE id = 'r2'"),
        ]
    )
    for record_id in ("r1", "r2"):
        await stage.write(ACME, record_id, long_text(2), "two")
    await stage.drain()
    assert await stage.discrepancies() == []


async def test_vectors_of_another_fingerprint_are_not_passed_off_as_new() -> None:
    """A change of metadata keeps the fingerprint of vectors that an older model made."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text", "one")
    await stage.drain()
    await stage.local.database.batch(
        [
            # As a deployment with another chunker or pooling left it.
            Statement("UPDATE cognate_embeddings SET content_hash = 'x', fingerprint = 'old'"),
        ]
    )
    await stage.write(ACME, "r1", "a text", "two")
    await stage.local.database.batch([Statement("UPDATE cognate_jobs SET embeds = 0")])
    await stage.drain()
    state = await stage.state(ACME, "r1")
    assert (state["content_hash"], state["fingerprint"]) == ("x", "old")


def test_an_answer_of_the_right_shape_is_handed_on() -> None:
    """A sound answer is returned without a copy."""
    vectors = ListVectors([SOUND, SOUND])
    assert checked(vectors, count=2, model=BASE) is vectors


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [SOUND],
        [SOUND, SOUND, SOUND],
        [SOUND, []],
        [SOUND, SOUND[:-1]],
        [[*SOUND, 0.5], SOUND],
        [[*SOUND[1:], math.nan], SOUND],
        [SOUND, [math.inf, *SOUND[1:]]],
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
    """An answer with a wrong count, a wrong length or no number is refused."""
    with pytest.raises(UnusableEmbeddings):
        checked(ListVectors(rows), count=2, model=BASE)
