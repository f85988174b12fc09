"""Pending records: a search embeds them, compares them and keeps their vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.backfill.walk import MAX_WAITING
from cognate.embedding.request import EmbeddingRequest
from cognate.errors import NotEmbedded, NotFound
from cognate.jobs.queue import WINDOW, Priority
from cognate.jobs.replay import replay_jobs
from cognate.search import candidates
from cognate.search.nearest import TOO_MANY_PENDING, QueryVector
from cognate.search.pending import vector_or_text_of
from cognate.search.raw_query import query_vectors
from cognate.search.similarity import Classification, find_with_gray_zone, search
from tests.stage.between import Between
from tests.stage.platform import (
    ACME,
    ARTICLES,
    BASE,
    CLAIMS,
    GLOBEX,
    SCHEMA,
    Stage,
    claim_similarity,
    long_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.search.similarity import SearchAnswer

TEXT = "one two three four five six seven eight"


async def ask(stage: Stage, text: str = TEXT, **options: object) -> SearchAnswer:
    """Search the claims of Acme."""
    return await search(stage.platform, ACME, claim_similarity, text=text, **options)  # type: ignore[arg-type]  # as a caller gives them


async def test_a_write_and_then_a_search_for_its_text_is_a_duplicate() -> None:
    """A record is found although the consumer never ran."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.DUPLICATE, None, 1)
    assert [result.id for result in found.results] == ["r1"]


async def test_nothing_pending_costs_no_call() -> None:
    """Without pending records only the query is embedded."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    before = stage.calls("AI.run")
    found = await ask(stage)
    assert (stage.calls("AI.run") - before, found.pending) == (1, 0)


async def test_what_a_search_embedded_is_not_embedded_again() -> None:
    """The next search and the consumer use the vectors that the search has kept."""
    stage = Stage()
    job = await stage.write(ACME, "r1", TEXT)
    await ask(stage)
    before = stage.calls("AI.run")
    found = await ask(stage)
    assert (stage.calls("AI.run") - before, found.pending) == (1, 0)
    assert found.verdict is Classification.DUPLICATE
    await stage.drain()
    assert stage.calls("AI.run") - before == 1
    assert (await stage.status(job), len(stage.vector_ids(ACME, "r1"))) == ("done", 1)
    assert await stage.discrepancies() == []


async def test_the_new_text_of_a_changed_record_counts_at_once() -> None:
    """The old text finds the record no longer."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    await stage.write(ACME, "r1", "something entirely different from all that")
    assert (await ask(stage)).verdict is Classification.NEW
    changed = await ask(stage, "something entirely different from all that")
    assert changed.verdict is Classification.DUPLICATE


async def test_a_record_whose_new_text_is_blank_is_not_found_by_its_old_one() -> None:
    """The stored vector of the old text does not count."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    await stage.write(ACME, "r1", " ")
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.NEW, None, 0)


async def test_other_organizations_are_not_read() -> None:
    """Pending records of other organizations are neither embedded nor counted."""
    stage = Stage()
    await stage.write(GLOBEX, "r1", TEXT)
    found = await ask(stage)
    assert (found.verdict, found.pending) == (Classification.NEW, 0)


async def test_a_filter_holds_for_pending_records() -> None:
    """A pending record outside the filter is not embedded."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT, "s1")
    before = stage.calls("AI.run")
    found = await ask(stage, filter={"storyId": "s2"})
    assert (found.verdict, found.pending) == (Classification.NEW, 0)
    assert stage.calls("AI.run") - before == 1
    found = await ask(stage, filter={"storyId": "s1"})
    assert (found.verdict, found.pending) == (Classification.DUPLICATE, 1)


@pytest.mark.parametrize(("records", "left"), [(100, 0), (101, 1), (250, 150)])
async def test_a_hundred_texts_are_embedded_and_more_are_told(records: int, left: int) -> None:
    """Each search embeds the oldest hundred, so later searches have fewer."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number:03}": f"text {number}" for number in range(records)})
    found = await ask(stage, "nothing like them")
    assert found.pending == records
    assert found.degraded == (TOO_MANY_PENDING if left else None)
    assert found.verdict is (None if left else Classification.NEW)
    found = await ask(stage, "nothing like them")
    assert found.pending == left


async def test_many_are_counted_up_to_a_bound() -> None:
    """The count 1,000 means that or more."""
    stage = Stage()
    await stage.write_many(
        ACME, {f"r{number:04}": f"text {number}" for number in range(candidates.MAX_COUNTED + 5)}
    )
    assert (await ask(stage)).pending == candidates.MAX_COUNTED


async def test_more_jobs_than_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search is degraded even if earlier searches embedded all that was looked at."""
    monkeypatch.setattr(candidates, "MAX_OPEN_JOBS", 50)
    stage = Stage()
    await stage.write_many(ACME, {f"r{number:04}": f"text {number}" for number in range(60)})
    for _ in range(3):
        found = await ask(stage, "nothing like them")
        assert (found.degraded, found.verdict) == (TOO_MANY_PENDING, None)
        assert found.pending == candidates.MAX_COUNTED
    await stage.drain()
    assert (await ask(stage, "nothing like them")).verdict is Classification.NEW


async def test_long_texts_are_read_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts beyond the bound are left to the consumer, and the answer is degraded."""
    text = long_text(3)
    monkeypatch.setattr(candidates, "MAX_PENDING_CHARACTERS", 2 * len(text))
    stage = Stage()
    for number in range(3):
        await stage.write(ACME, f"r{number}", text)
        stage.local.clock.advance(1)
    found = await ask(stage, "nothing like them")
    assert (found.pending, found.degraded) == (3, TOO_MANY_PENDING)
    found = await ask(stage, "nothing like them")
    assert (found.pending, found.degraded, found.verdict) == (1, None, Classification.NEW)


async def test_a_record_of_more_chunks_than_one_call_takes_is_told() -> None:
    """Such a record is left to the consumer, and the answer is degraded."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(101))
    await stage.write(ACME, "r2", TEXT)
    found = await ask(stage)
    assert (found.verdict, found.degraded) == (Classification.DUPLICATE, TOO_MANY_PENDING)
    await stage.drain()
    found = await ask(stage)
    assert (found.pending, found.degraded == TOO_MANY_PENDING) == (0, False)


@pytest.mark.parametrize("message", ["3040: out of capacity", "5006: bad input", "unknown"])
async def test_a_model_that_refuses_leaves_the_search_degraded(message: str) -> None:
    """There is no verdict, because the pending text may be the same."""
    stage = Stage()
    await stage.write(ACME, "r1", "poisonous " + TEXT)
    stage.fault("run", message=message, match="poisonous")
    found = await ask(stage, "unrelated words")
    assert (found.verdict, found.degraded, found.pending) == (None, TOO_MANY_PENDING, 1)


async def test_a_record_that_failed_for_good_is_not_pending() -> None:
    """A search does not wait for a record whose job has failed."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    stage.fault("run", message="5006: bad input")
    await stage.drain()
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.NEW, None, 0)


async def test_a_posted_text_counts_before_it_is_embedded() -> None:
    """The posted text counts in place of the record's own text."""
    stage = Stage()
    await stage.write(ACME, "r1", "its own text is another one")
    await stage.drain()
    await stage.post(ACME, TEXT, "r1")
    assert (await ask(stage)).verdict is Classification.DUPLICATE


async def test_a_backfill_of_unchanged_records_blinds_no_search() -> None:
    """The jobs of a backfill that have nothing to embed cost no call."""
    stage = Stage()
    records = MAX_WAITING + WINDOW
    await stage.write_many(ACME, {f"r{number:04}": f"text {number}" for number in range(records)})
    await stage.drain()
    await stage.show()
    await stage.rows(
        "UPDATE cognate_jobs SET status = 'queued', priority = 1, forced = 1, announced = 1"
    )
    await stage.rows("UPDATE cognate_embeddings SET revision = revision + 1")
    before = stage.calls("AI.run")
    found = await ask(stage, "text 7")
    assert (found.degraded, found.pending) == (None, 0)
    assert stage.calls("AI.run") - before == 1


async def queue_again(stage: Stage, names: Sequence[str]) -> None:
    """Queue records as a backfill of all records does."""
    await stage.request(
        CLAIMS,
        [EmbeddingRequest(name, keeps_posted=True) for name in names],
        source="backfill",
        priority=Priority.BACKFILL,
        forced=True,
        announces=False,
    )


async def test_changed_records_are_embedded_by_search_after_search() -> None:
    """Records that a search has kept take no place among the next hundred."""
    stage = Stage()
    names = [f"r{number:03}" for number in range(150)]
    await stage.write_many(ACME, {name: f"text {name}" for name in names})
    await stage.drain()
    await stage.show()
    await stage.write_many(ACME, {name: f"changed {name}" for name in names})
    found = await ask(stage, "nothing like them")
    assert (found.pending, found.degraded) == (150, TOO_MANY_PENDING)
    found = await ask(stage, "nothing like them")
    assert (found.pending, found.degraded) == (50, None)
    await stage.drain()
    assert await stage.discrepancies() == []


async def test_a_job_that_ends_before_the_search_has_kept_its_vectors_counts() -> None:
    """A search does not overwrite what the consumer has stored meanwhile."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)

    async def consume() -> None:
        stage.platform = stage.local
        await stage.drain()

    database = Between(stage.local.database, "WITH open", consume)
    stage.with_database(database)
    found = await search(stage.platform, ACME, claim_similarity, text=TEXT)
    assert (database.happened, found.verdict) == (True, Classification.DUPLICATE)
    assert (await stage.state(ACME, "r1"))["index_hash"] is not None
    assert await stage.discrepancies() == []


async def test_a_posted_text_counts_when_its_failed_job_is_tried_again() -> None:
    """The posted text counts again as soon as its job is retried."""
    stage = Stage()
    await stage.write(ACME, "r1", "its own text is another one")
    await stage.drain()
    await stage.post(ACME, TEXT, "r1")
    stage.fault("run", message="5006: bad input")
    await stage.drain()
    assert (await replay_jobs(stage.platform, ACME)).retried == 1
    assert (await ask(stage)).verdict is Classification.DUPLICATE


async def test_a_posted_text_counts_when_a_backfill_overtakes_its_job() -> None:
    """The posted text counts although only the job of the backfill is left."""
    stage = Stage()
    await stage.write(ACME, "r1", "its own text is another one")
    await stage.drain()
    await stage.post(ACME, TEXT, "r1")

    async def backfill() -> None:
        await queue_again(stage, ["r1"])

    stage.with_database(Between(stage.local.database, "SELECT j.id AS job_id", backfill))
    await stage.deliver()
    stage.platform = stage.local
    assert (await stage.state(ACME, "r1"))["content_hash"] is not None
    assert (await ask(stage)).verdict is Classification.DUPLICATE


async def test_every_kind_of_search_says_what_waits() -> None:
    """Searches of texts, of another table and with a gray zone report pending records."""
    stage = Stage()
    job = await stage.post(ACME, TEXT)
    found = await query_vectors(stage.platform, SCHEMA, ACME, text=TEXT)
    assert ([item.id for item in found.matches], found.degraded, found.pending) == ([job], None, 1)
    await stage.put(ARTICLES, ACME, "a1", title=TEXT, body="more")
    found = await query_vectors(stage.platform, SCHEMA, ACME, text=TEXT, table="articles")
    assert ([item.id for item in found.matches], found.degraded, found.pending) == (["a1"], None, 1)
    await stage.write(ACME, "r1", "poisonous")
    await stage.post(ACME, "poisonous")
    stage.fault("run", message="3040: out of capacity", match="poisonous", count=2)
    zone = await find_with_gray_zone(stage.platform, ACME, claim_similarity, text=TEXT)
    assert zone.degraded == TOO_MANY_PENDING
    found = await query_vectors(stage.platform, SCHEMA, ACME, text=TEXT)
    assert (found.degraded, found.pending) == (TOO_MANY_PENDING, 1)


async def test_a_stored_vector_is_that_of_the_first_chunk() -> None:
    """A long record is compared by its beginning."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.drain()
    found = await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")
    assert not isinstance(found, str)
    first = await stage.embedded(BASE, [long_text(3)])
    assert list(found.lengths()) == [BASE.dimensions]
    assert QueryVector(found.float32()).cosine(first[: BASE.dimensions * 4]) > 0.5


@pytest.mark.parametrize("record_id", ["unknown", "of-globex"])
async def test_a_record_that_is_not_there_is_not_found(record_id: str) -> None:
    """A record of another organization is answered like one that never existed."""
    stage = Stage()
    await stage.write(GLOBEX, "of-globex", "a red harbour")
    await stage.drain()
    with pytest.raises(NotFound, match="no such record"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, record_id)


@pytest.mark.parametrize("fingerprint", [None, "older"])
async def test_a_record_without_a_vector_of_now_is_told(fingerprint: str | None) -> None:
    """The record is not embedded yet, or its vectors are of another model."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    if fingerprint is not None:
        await stage.drain()
        await stage.rows("UPDATE cognate_embeddings SET fingerprint = ?1", fingerprint)
    with pytest.raises(NotEmbedded, match="no vector yet"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")


async def test_a_record_whose_text_has_changed_is_compared_by_its_new_one() -> None:
    """The query is the new text until a search or a job has embedded it."""
    stage = Stage()
    await stage.write_many(ACME, {"r1": "something entirely different", "r2": "a red harbour"})
    await stage.drain()
    await stage.show()
    await stage.write(ACME, "r3", "another one that waits")
    assert not isinstance(await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1"), str)
    await stage.write(ACME, "r1", "a red harbour")
    assert await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1") == "a red harbour"
    found = await search(stage.platform, ACME, claim_similarity, record_id="r1")
    assert (found.verdict, found.results[0].id) == (Classification.DUPLICATE, "r2")
    # The search has kept its vectors.
    assert not isinstance(await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1"), str)


async def test_a_record_whose_new_text_is_blank_has_no_vector() -> None:
    """A record without text cannot be the query."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    await stage.write(ACME, "r1", " ")
    with pytest.raises(NotEmbedded, match="no vector yet"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")
