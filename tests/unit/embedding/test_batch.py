"""Batches make a constant number of calls, and one record's fault costs no other record."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from cognate.consumer import CountingDatabase
from cognate.ports import Platform
from tests.stage.faults import FailingDatabase
from tests.stage.platform import ACME, ARTICLES, GLOBEX, Stage, long_text

if TYPE_CHECKING:
    from local.bindings.faults import FaultKind

WAITS = {"type": "embedding", "organizationId": ACME, "table": "articles", "id": "a1"}
CALLS = ("AI.run", "VECTORIZE.upsert", "VECTORIZE.deleteByIds", "VECTORIZE_384.upsert")


def counts(stage: Stage) -> list[int]:
    """Count the calls of the model and the indexes so far."""
    return [stage.calls(name) for name in CALLS]


async def test_a_hundred_messages_cost_what_one_does() -> None:
    """A hundred records take two calls of D1, one of the model, one upsert, and maybe a delete."""
    stage = Stage()
    database = FailingDatabase(stage.local.database)
    for texts, expected in (
        ([f"text {number}" for number in range(100)], [1, 1, 0, 0]),
        ([f"other {number}" for number in range(100)], [2, 2, 0, 0]),
        ([" "] * 100, [2, 2, 1, 0]),
    ):
        await stage.write_many(ACME, {f"r{n}": text for n, text in enumerate(texts)})
        database.batches = 0
        stage.with_database(database)
        await stage.deliver()
        assert (database.batches, counts(stage)) == (2, expected)
        stage.platform = stage.local
    assert await stage.discrepancies() == []


async def test_each_model_and_each_index_has_its_call() -> None:
    """Two tables in one batch take one call for each model and each index."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", "a text")
        await stage.put(ARTICLES, organization_id, "r1", title="A title", body="a body")
    await stage.deliver()
    assert counts(stage) == [2, 1, 0, 1]
    assert await stage.discrepancies() == []


async def test_what_did_not_change_costs_no_call() -> None:
    """A record whose text did not change makes no call of the model or the index."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    before = counts(stage)
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    assert counts(stage) == before
    assert await stage.jobs() == ["done", "done"]


async def test_poison_among_a_hundred_fails_alone_and_at_once() -> None:
    """A refused text fails, and 99 others are done in the same batch, with at most 15 calls."""
    stage = Stage()
    texts = {f"r{number}": f"text {number}" for number in range(100)}
    await stage.write_many(ACME, {**texts, "r61": "poison"})
    stage.fault("run", message="5006: invalid input", match="poison", count=100)
    await stage.deliver()
    assert stage.calls("AI.run") <= 15
    assert sorted(await stage.jobs()) == ["done"] * 99 + ["failed"]
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_text_that_spoils_its_answers_is_given_up_after_three() -> None:
    """A text that spoils answers is found at the first try and fails at its third."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(20)})
    await stage.write(ACME, "poison", "poison")
    stage.fault("run", "short", match="poison", count=100)
    for expected in (
        {"done": 20, "queued": 1},
        {"done": 20, "queued": 1},
        {"done": 20, "failed": 1},
    ):
        await stage.deliver()
        found = await stage.jobs()
        assert {status: found.count(status) for status in set(found)} == expected
        stage.local.clock.advance(1000)
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_record_that_d1_refuses_keeps_nobody_else_from_being_stored() -> None:
    """Halving finds the record that D1 refuses: it is tried again, and the others are done."""
    stage = Stage()
    database = FailingDatabase(stage.local.database)
    stage.with_database(database)
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(16)})
    await stage.rows(
        "CREATE TRIGGER refuse BEFORE UPDATE OF content_hash ON cognate_embeddings "
        "WHEN NEW.record_id = 'r5' BEGIN SELECT RAISE(ABORT, 'out of reach'); END"
    )
    database.batches = 0
    await stage.deliver()
    assert database.batches <= 1 + 2 * 4 + 1
    assert [row["record_id"] for row in await stage.unfinished()] == ["r5"]
    await stage.rows("DROP TRIGGER refuse")
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_database_that_is_away_gets_three_calls_a_batch_at_most() -> None:
    """While D1 fails, a batch makes at most three calls of it."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(16)})
    for _ in range(6):
        database = FailingDatabase(stage.local.database, refused=frozenset(range(2, 99)))
        stage.with_database(database)
        await stage.deliver()
        assert database.batches <= 3
        stage.local.clock.advance(1000)
    await stage.settle()
    assert await stage.discrepancies() == []


@pytest.mark.parametrize("kind", ["short", "dimension", "empty"])
async def test_a_model_that_answers_nothing_usable_fails_nobody(kind: FaultKind) -> None:
    """Records wait without a charge while the model's answers are unusable."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(20)})
    stage.fault("run", kind, count=1000)
    for delivery in range(1, 9):
        await stage.deliver()
        assert stage.calls("AI.run") == 2 * delivery
        stage.local.clock.advance(1000)
    found = await stage.rows("SELECT DISTINCT status, error_code, charges FROM cognate_jobs")
    assert found == [{"status": "queued", "error_code": "AI_ANSWER_UNUSABLE", "charges": 0}]
    await stage.settle()
    assert set(await stage.jobs()) == {"done"}
    assert await stage.discrepancies() == []


async def test_an_outage_is_not_charged_to_anybody() -> None:
    """A job waits longer after each failure of an outage, and is done when the outage ends."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    stage.fault("run", message="3040: out of capacity", count=8)
    for _ in range(8):
        [after] = (await stage.deliver()).values()
        assert after is not None
        stage.local.clock.advance(after)
    job = await stage.job(job_id)
    assert (job["status"], job["charges"], job["error_code"]) == ("queued", 0, "AI_CAPACITY")
    await stage.deliver()
    job = await stage.job(job_id)
    assert (job["status"], job["attempts"], job["error_code"]) == ("done", 9, None)


@pytest.mark.parametrize("second", ["other text", long_text(3), "a", " ", None])
@pytest.mark.parametrize("first", ["a text", long_text(2), long_text(4)])
@pytest.mark.parametrize(
    ("method", "kind", "message"),
    [
        ("run", "error", "3040: out of capacity"),
        ("run", "error", "3007: time-out"),
        ("run", "short", ""),
        ("run", "dimension", ""),
        ("run", "empty", ""),
        ("upsert", "error", "connection lost"),
        ("upsert", "after", "connection lost"),
        ("upsert", "after", "VECTOR_UPSERT_ERROR (code = 50000): internal"),
        ("deleteByIds", "error", "connection lost"),
        ("deleteByIds", "after", "connection lost"),
    ],
)
async def test_any_fault_at_any_change(
    method: str, kind: FaultKind, message: str, first: str, second: str | None
) -> None:
    """When faults have stopped, the index and the stored vectors agree with the records."""
    stage = Stage()
    await stage.write(ACME, "r1", first)
    await stage.write(GLOBEX, "r1", first)
    await stage.drain()
    stage.fault(method, kind, message)
    if second is None:
        await stage.delete(ACME, "r1")
    else:
        await stage.write(ACME, "r1", second, "story")
    await stage.deliver()
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_delivered_twice_and_shuffled_is_done_once() -> None:
    """Messages that are duplicated and shuffled embed each record once."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": f"text {number}" for number in range(60)})
    stage.local.queue.duplicate()
    stage.local.queue.shuffle(Random(7))  # noqa: S311 - an order, no secret
    await stage.drain()
    assert (stage.local.bindings.counts.texts, set(await stage.jobs())) == (60, {"done"})
    assert await stage.discrepancies() == []


async def test_a_retry_while_a_newer_job_waits_gives_way_to_it() -> None:
    """A job that waits for another try is superseded by a newer job of its record."""
    stage = Stage()
    older = await stage.write(ACME, "r1", "one")
    delivered = stage.local.queue.take()
    stage.fault("run", message="3040: out of capacity")
    # The older one has been started when the record changes.
    await stage.rows("UPDATE cognate_jobs SET status = 'running'")
    newer = await stage.write(ACME, "r1", "two")
    verdicts = await stage.consume([replace(delivered[0], attempts=2)])
    assert verdicts == {delivered[0].message_id: None}
    assert (await stage.status(older), await stage.status(newer)) == ("superseded", "queued")
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_missing_binding_is_waited_for() -> None:
    """Jobs of an index without a binding wait for it, and other tables' jobs are done."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.put(ARTICLES, ACME, "r1", title="A title", body="a body")
    local = stage.local
    stage.platform = Platform(
        embedder=local.embedder,
        indexes={"VECTORIZE": local.indexes["VECTORIZE"]},
        database=local.database,
        auth_database=local.database,
        queue=local.queue,
        clock=local.clock,
    )
    await stage.deliver()
    waiting = await stage.unfinished()
    assert [(row["scope"], row["error_code"]) for row in waiting] == [
        ("articles", "CONFIGURATION_MISSING")
    ]
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_texts_without_a_table_are_kept_by_model() -> None:
    """A posted text without a table is indexed under its job's id."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.post(organization_id, "a text")
    await stage.settle()
    assert await stage.discrepancies() == []
    assert len(stage.indexed()) == 2


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("ALTER TABLE articles RENAME TO gone", "ALTER TABLE gone RENAME TO articles"),
        ("ALTER TABLE articles RENAME COLUMN year TO gone", ""),
        ("ALTER TABLE articles RENAME COLUMN embedding TO gone", ""),
    ],
)
async def test_the_jobs_of_the_other_tables_are_done(broken: str, mended: str) -> None:
    """Jobs of a table without its migration wait for it, and other jobs are done."""
    mended = mended or f"{broken.partition(' RENAME')[0]} RENAME COLUMN gone TO {broken.split()[5]}"
    stage = Stage()
    waiting = await stage.put(ARTICLES, ACME, "a1", title="a title", body="a text")
    await stage.rows(broken)
    await stage.local.queue.send([{**WAITS, "content": "a posted text"}, {"type": "odd"}])
    jobs = [await stage.write(ACME, "c1", "a text"), await stage.post(ACME, "a text")]
    await stage.drain()

    assert [await stage.status(job) for job in jobs] == ["done", "done"]
    assert await stage.status(waiting) == "queued"
    assert (await stage.jobs()).count("failed") == 1
    assert len(stage.local.queue.waiting) == 2

    await stage.rows(mended)
    await stage.settle()

    assert await stage.status(waiting) in {"done", "superseded"}
    state = await stage.state(ACME, "a1", "articles")
    assert (state["embedded_at"] is None, state["posted_text"]) == (False, "a posted text")


async def test_without_the_tables_of_cognate_every_message_comes_back() -> None:
    """Without Cognate's own tables no message is acknowledged."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.rows("ALTER TABLE cognate_jobs RENAME TO gone")
    [pause] = (await stage.deliver()).values()
    assert pause is not None


@pytest.mark.parametrize(("change", "calls"), [("SELECT 1", 2), ("DROP TABLE articles", 4)])
async def test_a_complete_database_costs_no_call_more(change: str, calls: int) -> None:
    """A batch reads the schema of D1 only if a table was missing."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.rows(change)
    database = CountingDatabase(stage.local.database)
    stage.with_database(database)
    await stage.drain()
    assert database.calls == calls
