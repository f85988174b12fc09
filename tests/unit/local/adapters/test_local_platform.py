"""Tests of `local.adapters.local_platform`, the composition root of the tests."""

from __future__ import annotations

import pytest

from cognate.embedding.embed import checked
from cognate.errors import EmbedderBusy, UnusableEmbeddings, VectorIndexError
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import StoredVectors, VectorEntry
from local.adapters.local_platform import LocalPlatform, local_platform
from local.bindings.faults import Fault
from schema import app

MODEL = MODELS[DEFAULT_MODEL]


@pytest.fixture
def platform() -> LocalPlatform:
    """A platform of the sample schema."""
    return local_platform(app)


def test_each_index_of_the_schema_is_there(platform: LocalPlatform) -> None:
    """Each has the name of its binding."""
    assert set(platform.indexes) == {index.binding for index in app.vector_indexes()}


async def test_faults_arrive_as_errors_of_the_ports(platform: LocalPlatform) -> None:
    """Each fault fails one call, and the next call succeeds."""
    platform.bindings.faults.add(Fault("AI", "run", "error", message="3040: out of capacity"))
    platform.bindings.faults.add(
        Fault("VECTORIZE", "deleteByIds", "error", message="VECTOR_DELETE_ERROR (code = 50000): x")
    )

    with pytest.raises(EmbedderBusy):
        await platform.embedder.embed(MODEL, ["An owl."])
    with pytest.raises(VectorIndexError):
        await platform.indexes["VECTORIZE"].delete(["a"])

    await platform.embedder.embed(MODEL, ["An owl."])
    await platform.indexes["VECTORIZE"].delete(["a"])


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
async def test_a_model_can_answer_too_little(platform: LocalPlatform, kind: str) -> None:
    """The embedder passes the answer on, and the check of the core refuses it."""
    platform.bindings.faults.add(Fault("AI", "run", kind))  # type: ignore[arg-type]  # one of them

    vectors = await platform.embedder.embed(MODEL, ["An owl.", "A river."])

    with pytest.raises(UnusableEmbeddings):
        checked(vectors, count=2, model=MODEL)


async def test_calls_are_counted(platform: LocalPlatform) -> None:
    """Many texts are one call, and many ids are several calls."""
    await platform.embedder.embed(MODEL, ["An owl."] * 100)
    await platform.indexes["VECTORIZE"].delete([str(number) for number in range(101)])

    assert platform.bindings.counts.to_wire() == {
        "calls": {"AI.run": 1, "VECTORIZE.deleteByIds": 2},
        "texts": 100,
        "vectors": 0,
    }


async def test_a_write_is_seen_when_the_clock_says_so() -> None:
    """All parts use the same clock."""
    platform = local_platform(app, visibility_seconds=60)
    index = platform.indexes["VECTORIZE"]
    vector = StoredVectors.of([1.0] * MODEL.dimensions)
    await index.upsert([VectorEntry("a", vector, 0, {})])

    async def found() -> list[str]:
        return [match.id for match in await index.query(vector, top_k=1, conditions={})]

    assert await found() == []
    platform.clock.advance(60)
    assert await found() == ["a"]
