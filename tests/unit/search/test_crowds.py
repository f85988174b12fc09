"""Records that the index names but D1 drops do not hide other records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from cognate.errors import VectorIndexUnavailable
from cognate.ports import MAX_TOP_K, Platform
from cognate.schema import Similarity
from cognate.search.nearest import CROWDED_OUT, RANGES_UP_TO
from cognate.search.similarity import Classification, search
from tests.stage.forwarding import ForwardingIndex
from tests.stage.platform import ACME, ARTICLES, Stage, articles, claim_similarity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import IndexMatch, Vectors
    from cognate.search.similarity import SearchAnswer

TEXT = "one two three four five six seven eight nine ten"
NEAR = "one two three four five six seven eight nine eleven"
"""A text near the crowd: its class is CONFIRMS or DUPLICATE, but it is not equal."""


async def ask(stage: Stage, text: str = TEXT, **options: Any) -> SearchAnswer:
    """Search the claims."""
    return await search(stage.platform, ACME, claim_similarity, text=text, **options)


async def crowd(stage: Stage, count: int) -> list[str]:
    """Many equal records that the index shows, and one other record that is near."""
    names = [f"dead{number:03}" for number in range(count)]
    await stage.write_many(ACME, dict.fromkeys(names, TEXT))
    await stage.write(ACME, "alive", NEAR)
    await stage.drain()
    await stage.show()
    # The index shows nothing that is written from now on.
    stage.local.bindings.indexes["VECTORIZE"].visibility_seconds = 6000
    return names


async def delete(stage: Stage, names: Sequence[str]) -> None:
    """Delete records by the API; their jobs wait in the queue."""
    for name in names:
        await stage.delete(ACME, name)


async def delete_by_sql(stage: Stage, names: Sequence[str]) -> None:
    """Delete records by SQL."""
    for name in names:
        await stage.rows("DELETE FROM claims WHERE id = ?1", name)


async def change(stage: Stage, names: Sequence[str]) -> None:
    """Change records to a text that is far away."""
    for name in names:
        await stage.write(ACME, name, f"{name} says something else entirely")
    await stage.drain()


async def move_out_of_the_filter(stage: Stage, names: Sequence[str]) -> None:
    """Change only the metadata; the index still has the old metadata."""
    for name in names:
        await stage.write(ACME, name, TEXT, "elsewhere")
    await stage.drain()


@pytest.mark.parametrize("end", [delete, delete_by_sql, change])
@pytest.mark.parametrize("count", [30, 80])
async def test_a_living_record_behind_a_dead_crowd_is_found(end: Any, count: int) -> None:
    """The search asks the index once more, for as many matches as it gives."""
    stage = Stage()
    await end(stage, await crowd(stage, count))
    found = await ask(stage)
    assert found.results[0].id == "alive"
    assert found.verdict in {Classification.DUPLICATE, Classification.CONFIRMS}


@pytest.mark.parametrize("end", [delete, delete_by_sql, change])
async def test_a_crowd_that_takes_all_places_leaves_no_verdict(end: Any) -> None:
    """The index names at most a hundred; the search says that it could not look further."""
    stage = Stage()
    await end(stage, await crowd(stage, MAX_TOP_K))
    found = await ask(stage)
    assert (found.verdict, found.degraded) == (None, CROWDED_OUT)


async def test_records_that_left_the_filter_hide_nobody() -> None:
    """The near record is found, or the answer is degraded."""
    stage = Stage()
    names = [f"dead{number:03}" for number in range(40)]
    for name in names:
        await stage.write(ACME, name, TEXT, "here")
    await stage.write(ACME, "alive", NEAR, "here")
    await stage.drain()
    await stage.show()
    stage.local.bindings.indexes["VECTORIZE"].visibility_seconds = 6000
    await move_out_of_the_filter(stage, names)
    found = await ask(stage, filter={"storyId": "here"})
    assert [result.id for result in found.results] == ["alive"]
    assert found.verdict in {Classification.DUPLICATE, Classification.CONFIRMS}


async def test_a_recent_record_is_not_taken_for_the_nearest() -> None:
    """A nearer record may still be hidden behind the crowd."""
    stage = Stage()
    await delete(stage, await crowd(stage, MAX_TOP_K))
    await stage.write(ACME, "recent", "one two three that are otherwise far away from it all")
    await stage.drain()
    found = await ask(stage, threshold=-1)
    assert [result.id for result in found.results] == ["recent"]
    assert (found.verdict, found.degraded) == (None, CROWDED_OUT)


async def test_what_is_nearer_than_the_whole_crowd_is_certain() -> None:
    """A match nearer than the last one that the index named is certain."""
    stage = Stage()
    names = [f"r{number:03}" for number in range(MAX_TOP_K + 20)]
    await stage.write_many(ACME, {name: f"{TEXT} {name}" for name in names})
    await stage.drain()
    # The index shows all of them, although the search treats them as recent.
    found = await ask(stage, f"{TEXT} r007")
    assert (found.results[0].id, found.degraded) == ("r007", None)


async def test_a_dead_crowd_costs_one_more_look() -> None:
    """A search with a crowd takes two index queries, and any other takes one."""
    stage = Stage()
    names = await crowd(stage, 30)
    before = stage.calls("VECTORIZE.query")
    await ask(stage)
    assert stage.calls("VECTORIZE.query") - before == 1
    await delete_by_sql(stage, names)
    before = stage.calls("VECTORIZE.query")
    await ask(stage)
    assert stage.calls("VECTORIZE.query") - before == 2


@dataclass
class AnswersOnce(ForwardingIndex):
    """An index that fails from its second query on."""

    queries: int = 0

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        self.queries += 1
        if self.queries > 1:
            raise VectorIndexUnavailable("connection lost")
        return await self.inner.query(vectors, top_k=top_k, conditions=conditions)


async def test_a_second_look_that_fails_degrades_the_answer() -> None:
    """The first look alone does not settle what is near."""
    stage = Stage()
    await delete_by_sql(stage, await crowd(stage, 30))
    stage.platform = replace(
        stage.platform, indexes={"VECTORIZE": AnswersOnce(stage.local.indexes["VECTORIZE"])}
    )

    found = await ask(stage)

    assert (found.verdict, found.degraded) == (None, "VECTORIZE_UNAVAILABLE")


@dataclass
class LargeIndex(ForwardingIndex):
    """An index so large that its range filters lose everything."""

    asked: list[Mapping[str, Any]] = field(default_factory=list)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`; nothing, where values are ordered."""
        self.asked.append(conditions)
        if any(
            isinstance(item, dict) and {"$gte", "$lt"} & set(item) for item in conditions.values()
        ):
            return []
        return await self.inner.query(vectors, top_k=top_k, conditions=conditions)


@pytest.mark.parametrize(("vectors", "found"), [(RANGES_UP_TO - 1, False), (RANGES_UP_TO, True)])
async def test_ranges_are_applied_in_d1_where_the_index_is_large(
    vectors: int, *, found: bool
) -> None:
    """A large index is asked without ranges, and D1 applies them."""
    stage = Stage()
    title, similarity = "A harbour in the morning", Similarity("articleSimilarity", articles)
    await stage.put(ARTICLES, ACME, "a1", title=title, body="x", year=2024)
    await stage.put(ARTICLES, ACME, "a2", title=title, body="x", year=2020)
    await stage.drain()
    await stage.show()
    binding = ARTICLES.model.index_binding
    await stage.rows(
        "INSERT INTO cognate_indexes VALUES (?1, '9998', '2026', '', '', CAST(?2 AS INTEGER)) "
        "ON CONFLICT DO UPDATE SET vectors = excluded.vectors",
        binding,
        str(vectors),
    )
    index = LargeIndex(stage.local.indexes[binding])
    stage.platform = Platform(
        embedder=stage.local.embedder,
        indexes={binding: index},
        database=stage.local.database,
        auth_database=stage.local.database,
        queue=stage.local.queue,
        clock=stage.local.clock,
    )
    answer = await search(
        stage.platform,
        ACME,
        similarity,
        text=f"{title}\n\nx",
        filter={"year": {"$gte": 2022}},
    )
    assert [result.id for result in answer.results] == (["a1"] if found else [])
    assert answer.degraded is None
    assert ("year" in index.asked[-1]) is not found
