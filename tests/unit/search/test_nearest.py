"""The nearest records: Vectorize proposes, D1 decides, and recent records are never missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cognate.errors import ConfigurationError
from cognate.ids import vector_id, vector_key
from cognate.ports import IndexMatch, Platform, Statement
from cognate.principal import OrganizationId
from cognate.schema.similarities import MAX_LIMIT
from cognate.search import candidates
from cognate.search.candidates import MAX_EXACT_RECENT
from cognate.search.filters import Filter, parse_filter
from cognate.search.nearest import (
    CROWDED_OUT,
    INDEX_UNAVAILABLE,
    STALE_VECTORS,
    TOO_MANY_RECENT,
    Nearest,
    nearest,
)
from cognate.search.similarity import embed_query
from tests.stage.forwarding import ForwardingIndex
from tests.stage.platform import ACME, BASE, CLAIMS, GLOBEX, Stage, long_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.ports import Vectors


async def find(
    stage: Stage,
    text: str,
    organization_id: OrganizationId = ACME,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
    wanted: int = 10,
) -> Nearest:
    """Search the claims."""
    conditions = parse_filter(filter, CLAIMS.filter_fields) if filter else Filter()
    query = await embed_query(stage.platform, CLAIMS, text)
    return await nearest(
        stage.platform, CLAIMS, organization_id, query, filter=conditions, wanted=wanted
    )


def ids(found: Nearest) -> list[str]:
    """The ids of the matches, best first."""
    return [match.id for match in found.matches]


@dataclass
class LyingIndex(ForwardingIndex):
    """An index that answers every query with the same matches."""

    matches: list[IndexMatch]

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """Answer every query with the same matches."""
        del vectors, top_k, conditions
        return self.matches


def with_index(stage: Stage, matches: list[IndexMatch]) -> None:
    """Let the index of the claims answer these matches."""
    stage.platform = Platform(
        embedder=stage.local.embedder,
        indexes={"VECTORIZE": LyingIndex(stage.local.indexes["VECTORIZE"], matches)},
        database=stage.local.database,
        auth_database=stage.local.database,
        queue=stage.local.queue,
        clock=stage.local.clock,
    )


def claimed(organization_id: str, scope: str = "claims") -> dict[str, str]:
    """The scope in the metadata of a vector."""
    return {"organizationId": organization_id, "table": scope}


@pytest.mark.parametrize("visibility_seconds", [0, 60, 6000])
@pytest.mark.parametrize("later", [False, True])
async def test_what_was_written_is_found_at_any_age(
    visibility_seconds: float, *, later: bool
) -> None:
    """A record is found before the index shows it, and later by the index alone."""
    stage = Stage(visibility_seconds=visibility_seconds)
    await stage.write_many(ACME, {"r1": "a red harbour", "r2": "a blue mountain"})
    await stage.drain()
    if later:
        await stage.show()
    found = await find(stage, "a red harbour")
    assert (ids(found), found.degraded) == (["r1", "r2"], None)
    assert found.matches[0].score == pytest.approx(1)


async def test_a_deleted_record_is_gone_at_once() -> None:
    """A deleted record is not found, although its vectors are not removed yet."""
    stage = Stage(visibility_seconds=60)
    await stage.write_many(ACME, {"r1": "a red harbour", "r2": "a blue mountain"})
    await stage.drain()
    await stage.delete(ACME, "r1")
    assert ids(await find(stage, "a red harbour")) == ["r2"]


async def test_an_updated_record_is_found_by_its_new_text() -> None:
    """The score is that of the new vector while the index shows the old one."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.local.bindings.indexes["VECTORIZE"].visibility_seconds = 60
    await stage.write(ACME, "r1", "seven blue mountains")
    await stage.drain()
    by_old = await find(stage, "a red harbour")
    by_new = await find(stage, "seven blue mountains")
    assert by_old.matches[0].score < 0.6
    assert by_new.matches[0].score == pytest.approx(1)


@pytest.mark.parametrize(
    "match",
    [
        # A vector of another organization.
        IndexMatch(vector_id(vector_key(GLOBEX, "claims", "r1"), 0), 1, claimed(GLOBEX)),
        # The same vector with the caller's organization in its metadata.
        IndexMatch(vector_id(vector_key(GLOBEX, "claims", "r1"), 0), 1, claimed(ACME)),
        # The caller's own vector with another organization in its metadata.
        IndexMatch(vector_id(vector_key(ACME, "claims", "r1"), 0), 1, claimed(GLOBEX)),
        # A vector of another table, and one without metadata.
        IndexMatch(vector_id(vector_key(ACME, "claims", "r1"), 0), 1, claimed(ACME, "articles")),
        IndexMatch(vector_id(vector_key(ACME, "claims", "r1"), 0), 1, {}),
        # An id that is not a vector id, and a chunk that was never stored.
        IndexMatch("r1", 1, claimed(ACME)),
        IndexMatch(vector_id(vector_key(ACME, "claims", "r1"), 9), 1, claimed(ACME)),
    ],
)
async def test_an_index_that_errs_crosses_no_border(match: IndexMatch) -> None:
    """A wrong match is dropped by its metadata or because D1 has no such record."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", "a red harbour")
    await stage.drain()
    await stage.show()
    right = IndexMatch(vector_id(vector_key(ACME, "claims", "r1"), 0), 0.1, claimed(ACME))
    with_index(stage, [match])
    assert ids(await find(stage, "a red harbour")) == []
    # Control: the right match is found, with its exact score.
    with_index(stage, [match, right])
    [found] = (await find(stage, "a red harbour")).matches
    assert found.id == "r1"
    assert found.score == pytest.approx(1)


async def test_an_organization_with_a_long_id_finds_its_records() -> None:
    """Two organizations whose ids share the first 64 bytes stay apart."""
    stage = Stage()
    long = [OrganizationId("o" * 70 + end) for end in ("a", "b")]
    for number, organization_id in enumerate(long):
        await stage.write(organization_id, f"r{number}", "a red harbour")
    await stage.drain()
    await stage.show()
    for number, organization_id in enumerate(long):
        assert ids(await find(stage, "a red harbour", organization_id)) == [f"r{number}"]


async def test_a_record_counts_once_by_its_best_chunk() -> None:
    """The match has the place of the nearest chunk in the text."""
    stage = Stage()
    text = long_text(3) + "Only here a zebra crosses."
    await stage.write(ACME, "long", text)
    await stage.write(ACME, "short", "zebra")
    await stage.drain()
    [first, second] = (await find(stage, "zebra")).matches
    assert (first.id, second.id) == ("short", "long")
    start, end = second.chunk
    assert "zebra" in text[start:end]


async def test_filters_narrow_by_what_d1_says_now() -> None:
    """The metadata in D1 decides, not that in the index."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour", "one")
    await stage.write(ACME, "r2", "a red harbour", "two")
    await stage.write(ACME, "r3", "a red harbour")
    await stage.drain()
    await stage.show()
    await stage.local.database.batch(
        [Statement("UPDATE claims SET story_id = 'two' WHERE id = 'r1'")]
    )
    assert ids(await find(stage, "a red harbour", filter={"storyId": "one"})) == []
    assert ids(await find(stage, "a red harbour", filter={"storyId": "two"})) == (["r1", "r2"])
    assert ids(await find(stage, "a red harbour")) == ["r1", "r2", "r3"]


async def test_an_index_that_fails_degrades_the_answer() -> None:
    """Recent records are still compared, and the answer is degraded."""
    stage = Stage()
    await stage.write(ACME, "old", "a red harbour")
    await stage.drain()
    await stage.show()
    await stage.write(ACME, "new", "a red harbour")
    await stage.drain()
    stage.fault("query")
    found = await find(stage, "a red harbour")
    assert (ids(found), found.degraded) == (["new"], INDEX_UNAVAILABLE)


async def test_a_missing_binding_is_named() -> None:
    """A missing binding is an error of the deployment, not an outage."""
    stage = Stage()
    query = await embed_query(stage.platform, CLAIMS, "a text")
    bare = Platform(
        embedder=stage.local.embedder,
        indexes={},
        database=stage.local.database,
        auth_database=stage.local.database,
        queue=stage.local.queue,
        clock=stage.local.clock,
    )
    with pytest.raises(ConfigurationError, match="VECTORIZE is missing"):
        await nearest(bare, CLAIMS, ACME, query, filter=Filter(), wanted=1)


@pytest.mark.parametrize("written", [MAX_EXACT_RECENT, MAX_EXACT_RECENT + 1, 400])
async def test_what_is_not_shown_yet_is_compared_whatever_its_number(written: int) -> None:
    """Few chunks are all compared, many are chosen by sketches, and deleted ones take no place."""
    stage = Stage(visibility_seconds=6000)
    names = [f"r{number:03}" for number in range(written)]
    await stage.write_many(ACME, {name: f"text {name} and {name}" for name in names})
    await stage.drain()
    await stage.delete(ACME, "r008")
    for name in ("r007", names[-1]):
        found = await find(stage, f"text {name} and {name}")
        assert (found.degraded, ids(found)[0]) == (None, name)
        assert found.matches[0].score == pytest.approx(1)
    assert "r008" not in ids(await find(stage, "text r008 and r008", wanted=50))


async def test_what_is_more_than_can_be_compared_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound only the newest are compared, and the answer is degraded."""
    monkeypatch.setattr(candidates, "MAX_EXACT_RECENT", 4)
    monkeypatch.setattr(candidates, "MAX_SKETCHES", 8)
    stage = Stage(visibility_seconds=6000)
    for number in range(8):
        await stage.write(ACME, f"r{number}", f"text {number}")
        await stage.drain()
        stage.local.clock.advance(1)
    found = await find(stage, "text 0")
    assert (found.degraded, ids(found)[0]) == (None, "r0")

    await stage.write(ACME, "r8", "text 8")
    await stage.drain()
    found = await find(stage, "text 0")
    assert (found.degraded, found.best_is_certain) == (TOO_MANY_RECENT, False)
    assert (len(found.matches), "r0" in ids(found)) == (8, False)


async def test_long_records_count_by_their_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk has a sketch, and a long record leaves room for others."""
    monkeypatch.setattr(candidates, "MAX_SKETCHES", 200)
    stage = Stage(visibility_seconds=6000)
    await stage.write(ACME, "r1", long_text(150))
    await stage.drain()
    stage.local.clock.advance(1)
    text = long_text(50)
    await stage.write(ACME, "r2", text)
    await stage.drain()
    found = await find(stage, text)
    assert (set(ids(found)), found.degraded) == ({"r1", "r2"}, None)
    assert found.matches[0].score == pytest.approx(1)

    stage.local.clock.advance(1)
    await stage.write(ACME, "r3", "one more")
    await stage.drain()
    found = await find(stage, "word")
    assert (set(ids(found)), found.degraded) == ({"r2", "r3"}, TOO_MANY_RECENT)


async def test_a_vector_without_its_place_in_the_text_is_no_match() -> None:
    """A state row that was changed by SQL may say less than the embedding column holds."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    await stage.show()
    await stage.rows("UPDATE cognate_embeddings SET chunks = '[]'")

    found = await find(stage, "a red harbour")

    assert found.matches == []


async def test_the_widest_search_stays_within_the_limit_of_the_index() -> None:
    """Vectorize refuses a query for more than 100 matches."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    widest = await find(stage, "a red harbour", wanted=MAX_LIMIT)

    assert (widest.degraded, ids(widest)) == (None, ["r1"])


async def test_vectors_of_another_fingerprint_are_not_compared() -> None:
    """The answer without these records is degraded."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    await stage.rows("UPDATE cognate_embeddings SET fingerprint = 'older'")
    found = await find(stage, "a red harbour")
    assert (ids(found), found.degraded) == ([], STALE_VECTORS)
    assert (await find(stage, "a red harbour", GLOBEX)).degraded is None


async def test_a_search_is_one_call_of_each() -> None:
    """A search makes one call of the model and one of the index."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(30)})
    await stage.drain()
    before = stage.calls("AI.run")
    found = await find(stage, "text 3", wanted=50)
    assert len(found.matches) == 30
    assert (stage.calls("AI.run") - before, stage.calls("VECTORIZE.query")) == (1, 1)


async def test_the_query_is_the_first_vector() -> None:
    """Other vectors of the batch are ignored."""
    stage = Stage()
    await stage.write_many(ACME, {"r1": "a red harbour", "r2": "a blue mountain"})
    await stage.drain()
    two = await stage.platform.embedder.embed(BASE, ["a blue mountain", "a red harbour"])
    found = await nearest(stage.platform, CLAIMS, ACME, two, filter=Filter(), wanted=1)
    assert ids(found)[0] == "r2"


@pytest.mark.parametrize(
    "message", ["out of reach", "VECTOR_UPSERT_ERROR (code = 40016): metadata"]
)
async def test_what_the_index_refuses_is_found_however_long_that_lasts(message: str) -> None:
    """A record that the index never accepted is compared from D1."""
    stage = Stage()
    stage.fault("upsert", message=message, count=1000)
    await stage.write(ACME, "r1", "a red harbour")
    for _ in range(12):
        await stage.drain()
        stage.local.clock.advance(60)
    found = await find(stage, "a red harbour")

    assert (ids(found), found.degraded) == (["r1"], None)


async def test_a_long_record_does_not_hide_the_others() -> None:
    """A search by a long record finds other records although its own chunks are nearer."""
    stage = Stage()
    await stage.write(ACME, "long", long_text(60))
    await stage.write(ACME, "short", long_text(1))
    await stage.drain()
    await stage.show()
    query = await embed_query(stage.platform, CLAIMS, long_text(1))
    found = await nearest(
        stage.platform, CLAIMS, ACME, query, filter=Filter(), wanted=10, without="long"
    )

    assert (ids(found), found.degraded) == (["short"], None)


async def test_records_that_take_all_places_are_told() -> None:
    """If one record has all 100 matches of the index, the answer is degraded."""
    stage = Stage()
    await stage.write(ACME, "long", long_text(120))
    await stage.drain()
    await stage.show()
    found = await find(stage, long_text(1))

    assert (ids(found), found.degraded) == (["long"], CROWDED_OUT)
