"""What was accepted and is not embedded yet: a search embeds it, compares it, and keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.backfill.walk import MAX_WAITING
from cognate.jobs.queue import WINDOW, Priority, Wanted, queue_statements
from cognate.jobs.replay import replay_jobs
from cognate.search import candidates
from cognate.search.nearest import TOO_MANY_PENDING
from cognate.search.raw_query import query_vectors
from cognate.search.similarity import Classification, find_with_gray_zone, search
from tests.stage.between import Between
from tests.stage.platform import (
    ACME,
    ARTICLES,
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
    """With the queue stopped: nothing that was accepted before the search began is missed."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.DUPLICATE, None, 1)
    assert [result.id for result in found.results] == ["r1"]


async def test_nothing_pending_costs_no_call() -> None:
    """One call of the model for the query, as ever."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    before = stage.calls("AI.run")
    found = await ask(stage)
    assert (stage.calls("AI.run") - before, found.pending) == (1, 0)


async def test_what_a_search_embedded_is_not_embedded_again() -> None:
    """Neither by the next search nor by the consumer, which only writes it to the index."""
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
    """And its old one no longer."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    await stage.write(ACME, "r1", "something entirely different from all that")
    assert (await ask(stage)).verdict is Classification.NEW
    changed = await ask(stage, "something entirely different from all that")
    assert changed.verdict is Classification.DUPLICATE


async def test_a_record_whose_new_text_is_blank_is_not_found_by_its_old_one() -> None:
    """There is nothing to embed, and what is stored is of a text that is gone."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    await stage.drain()
    await stage.write(ACME, "r1", " ")
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.NEW, None, 0)


async def test_other_organizations_are_not_read() -> None:
    """Their pending records are neither embedded nor counted."""
    stage = Stage()
    await stage.write(GLOBEX, "r1", TEXT)
    found = await ask(stage)
    assert (found.verdict, found.pending) == (Classification.NEW, 0)


async def test_a_filter_holds_for_pending_records() -> None:
    """A record outside of it is not embedded for nothing."""
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
    """Each search takes the oldest hundred, so that the next ones have fewer."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number:03}": f"text {number}" for number in range(records)})
    found = await ask(stage, "nothing like them")
    assert found.pending == records
    assert found.degraded == (TOO_MANY_PENDING if left else None)
    assert found.verdict is (None if left else Classification.NEW)
    found = await ask(stage, "nothing like them")
    assert found.pending == left


async def test_many_are_counted_up_to_a_bound() -> None:
    """The answer says so many or more."""
    stage = Stage()
    await stage.write_many(
        ACME, {f"r{number:04}": f"text {number}" for number in range(candidates.MAX_COUNTED + 5)}
    )
    assert (await ask(stage)).pending == candidates.MAX_COUNTED


async def test_more_jobs_than_are_looked_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where those that were looked at have been embedded by earlier searches."""
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
    """What is behind it is told, and left to the consumer."""
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
    """The consumer embeds it, in several calls."""
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
    """The verdict is null: what waits may be the same text."""
    stage = Stage()
    await stage.write(ACME, "r1", "poisonous " + TEXT)
    stage.fault("run", message=message, match="poisonous")
    found = await ask(stage, "unrelated words")
    assert (found.verdict, found.degraded, found.pending) == (None, TOO_MANY_PENDING, 1)


async def test_a_record_that_failed_for_good_is_not_pending() -> None:
    """Its job says why it cannot be compared, and no search waits for it for ever."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT)
    stage.fault("run", message="5006: bad input")
    await stage.drain()
    found = await ask(stage)
    assert (found.verdict, found.degraded, found.pending) == (Classification.NEW, None, 0)


async def test_a_posted_text_counts_before_it_is_embedded() -> None:
    """For a record in place of its own text."""
    stage = Stage()
    await stage.write(ACME, "r1", "its own text is another one")
    await stage.drain()
    await stage.post(ACME, TEXT, "r1")
    assert (await ask(stage)).verdict is Classification.DUPLICATE


async def test_a_backfill_of_unchanged_records_blinds_no_search() -> None:
    """As many jobs as it has at a time: they have nothing to embed, and cost no call."""
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
    """As a backfill of all records does."""
    await stage.local.database.batch(
        queue_statements(
            CLAIMS,
            ACME,
            [Wanted(name, is_written=False) for name in names],
            source="backfill",
            now=stage.local.clock.now(),
            condition="TRUE",
            priority=Priority.BACKFILL,
            forced=True,
        )
    )


async def test_changed_records_are_embedded_by_search_after_search() -> None:
    """Those that earlier searches have kept take no place among the next hundred."""
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
    """The index has the record then, and no other job would say so again."""
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
    """With the others, by the call that gives way to what is written."""
    stage = Stage()
    await stage.write(ACME, "r1", "its own text is another one")
    await stage.drain()
    await stage.post(ACME, TEXT, "r1")
    stage.fault("run", message="5006: bad input")
    await stage.drain()
    assert (await replay_jobs(stage.platform, ACME)).retried == 1
    assert (await ask(stage)).verdict is Classification.DUPLICATE


async def test_a_posted_text_counts_when_a_backfill_overtakes_its_job() -> None:
    """The job's result is dropped, and the backfill's own job waits."""
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
    """Of posted texts, of another table with a model of its own, and with a gray zone."""
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
