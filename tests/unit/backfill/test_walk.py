"""Backfills walk over the whole of a table once, whatever happens to their messages."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from cognate.backfill.backfills import Backfill, BackfillStatus, find_backfill, start_backfill
from cognate.backfill.needs import Selection
from cognate.backfill.walk import MAX_WAITING, STEP_RECORDS, read_step, take_step
from cognate.errors import QueueError
from cognate.jobs.messages import BackfillStep, parse
from cognate.jobs.queue import WINDOW
from cognate.ports import Statement
from cognate.schema.ddl import triggers_of
from tests.stage.faults import FailingDatabase
from tests.stage.platform import ACME, CLAIMS, COLLECTIONS, GLOBEX, Stage, claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row
    from cognate.principal import OrganizationId


async def _import(stage: Stage, organization: OrganizationId, count: int) -> None:
    """Write claims behind the API."""
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) WITH RECURSIVE n (n) AS ("
        "SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < CAST(?2 AS INTEGER)) "
        "SELECT ?1, printf('c%05d', n), 'word' || n FROM n",
        organization,
        str(count),
    )


async def _start(
    stage: Stage,
    selection: Selection = Selection.MISSING,
    rate: int | None = None,
    organization: OrganizationId = ACME,
) -> Backfill:
    return await start_backfill(stage.platform, organization, CLAIMS, selection, rate)


async def _now(stage: Stage, backfill: Backfill) -> Backfill:
    return await find_backfill(stage.local.database, ACME, backfill.id)


async def _jobs(stage: Stage, organization: OrganizationId) -> int:
    [row] = await stage.rows(
        "SELECT COUNT(*) AS jobs FROM cognate_jobs WHERE organization_id = ?1", organization
    )
    return int(row["jobs"])


@dataclass
class _SlowWriter:
    """A database whose second call waits: another writes between the read and the write."""

    inner: Database
    released: asyncio.Event
    calls: int = 0

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.calls += 1
        if self.calls == 2:
            await self.released.wait()
        return await self.inner.batch(statements)


def _steps(stage: Stage) -> list[BackfillStep]:
    """The steps whose messages are waiting."""
    parsed = [parse(body, COLLECTIONS) for body in stage.local.queue.waiting]
    return [message for message in parsed if isinstance(message, BackfillStep)]


@pytest.mark.parametrize("count", [0, 1, STEP_RECORDS - 1, STEP_RECORDS, 2 * STEP_RECORDS + 1])
async def test_every_record_that_was_written_behind_the_api_is_embedded(count: int) -> None:
    """Once, and of this organization only."""
    stage = Stage()
    if count:
        await _import(stage, ACME, count)
    await _import(stage, GLOBEX, 3)
    backfill = await _start(stage)

    await stage.settle()

    ended = await _now(stage, backfill)
    assert (ended.status, ended.scanned, ended.queued) == (BackfillStatus.DONE, count, count)
    assert await stage.jobs() == ["done"] * count
    assert await _jobs(stage, GLOBEX) == 0
    assert len(stage.indexed()) == count
    assert stage.calls("AI.run") == math.ceil(count / 100)


@pytest.mark.parametrize(
    ("selection", "queued"),
    [(Selection.MISSING, 0), (Selection.STALE, 0), (Selection.ALL, 6)],
)
async def test_what_needs_nothing_costs_nothing(selection: Selection, queued: int) -> None:
    """The second walk queues no job."""
    stage = Stage()
    await _import(stage, ACME, 5)
    await stage.write(ACME, "empty", " ")
    await _start(stage)
    await stage.settle()
    assert await stage.jobs() == ["done"] * 6
    backfill = await _start(stage, selection)
    await stage.settle()
    assert (await _now(stage, backfill)).scanned == 6
    assert await _jobs(stage, ACME) - 6 == queued


async def test_all_writes_the_index_again_without_the_model() -> None:
    """As after an index was lost or got a new metadata index."""
    stage = Stage()
    await _import(stage, ACME, 3)
    await _start(stage)
    await stage.settle()
    calls = stage.calls("AI.run")
    index = stage.local.indexes[CLAIMS.model.index_binding]
    await index.delete(list(stage.indexed()))

    await _start(stage, Selection.ALL)
    await stage.settle()

    assert stage.calls("AI.run") == calls
    assert await stage.discrepancies() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE claims SET content = 'other words' WHERE id = 'c1'",
        "UPDATE claims SET story_id = 'other' WHERE id = 'c1'",
        "UPDATE claims SET content = '' WHERE id = 'c1'",
        "UPDATE claims SET content = 'no longer empty' WHERE id = 'c3'",
    ],
)
async def test_what_was_changed_behind_the_api_is_stale(change: str) -> None:
    """Its text or its metadata; only that record is looked at, and all is well afterwards."""
    stage = Stage()
    await stage.write_many(ACME, {"c1": "text one", "c2": "text two", "c3": ""})
    await stage.settle()
    await stage.rows(change)
    assert await stage.discrepancies() != []

    backfill = await _start(stage, Selection.STALE)
    await stage.settle()

    assert (await _now(stage, backfill)).queued == 1
    assert await stage.discrepancies() == []


async def test_vectors_of_another_model_are_stale() -> None:
    """By their fingerprint, which is part of every hash."""
    stage = Stage()
    await stage.write_many(ACME, {"c1": "text one", "c2": "text two"})
    await stage.settle()
    await stage.rows(
        "UPDATE cognate_embeddings SET fingerprint = 'old', content_hash = 'old' "
        "WHERE record_id = 'c1'"
    )

    backfill = await _start(stage, Selection.STALE)
    await stage.settle()

    assert (await _now(stage, backfill)).queued == 1
    assert await stage.discrepancies() == []


async def test_what_waits_or_has_failed_is_left_to_its_job() -> None:
    """A failed one is replayed instead."""
    stage = Stage()
    stage.fault("run", "error", "5004: bad input", count=9)
    await stage.write(ACME, "failed", "text")
    await stage.drain()
    stage.local.bindings.faults.clear()
    await stage.write(ACME, "queued", "text")
    await stage.write(ACME, "running", "text")
    await stage.rows("UPDATE cognate_jobs SET status = 'running' WHERE record_id = 'running'")

    backfill = await _start(stage)
    for step in _steps(stage):
        await take_step(stage.platform, COLLECTIONS, step)

    ended = await _now(stage, backfill)
    assert (ended.status, ended.scanned, ended.queued) == (BackfillStatus.DONE, 3, 0)


async def test_a_step_that_arrives_twice_is_taken_once() -> None:
    """One after the other, and long after."""
    stage = Stage()
    await _import(stage, ACME, 2 * STEP_RECORDS)
    backfill = await _start(stage)
    [first] = _steps(stage)

    for _ in range(3):
        await take_step(stage.platform, COLLECTIONS, first)

    assert await _jobs(stage, ACME) == STEP_RECORDS
    assert [step.step for step in _steps(stage)] == [0, 1]
    await stage.settle()
    await take_step(stage.platform, COLLECTIONS, first)
    assert (await _now(stage, backfill)).scanned == 2 * STEP_RECORDS
    assert await stage.jobs() == ["done"] * 2 * STEP_RECORDS


async def test_a_step_that_two_take_at_once_is_taken_once() -> None:
    """Both read the same records; the second moves nothing and queues nothing."""
    stage = Stage()
    await _import(stage, ACME, 2 * STEP_RECORDS)
    await _start(stage)
    [first] = _steps(stage)
    arrived = asyncio.Event()
    stage.with_database(_SlowWriter(stage.local.database, arrived))
    late = asyncio.create_task(take_step(stage.platform, COLLECTIONS, first))
    await asyncio.sleep(0)
    await take_step(stage.local, COLLECTIONS, first)
    revisions = await stage.rows("SELECT record_id, revision FROM cognate_embeddings")
    arrived.set()
    await late

    assert await stage.rows("SELECT record_id, revision FROM cognate_embeddings") == revisions
    assert await _jobs(stage, ACME) == STEP_RECORDS
    assert [step.step for step in _steps(stage)] == [0, 1]


async def test_a_lost_step_is_sent_again() -> None:
    """Whether the queue refused it, lost it, or its handler died before it sent the next one."""
    stage = Stage()
    await _import(stage, ACME, 3 * STEP_RECORDS)
    stage.local.queue.outage = QueueError("out of reach")
    backfill = await _start(stage)
    stage.local.queue.outage = None
    for _ in range(3):
        assert _steps(stage) == []
        stage.local.clock.advance(121)
        await stage.sweep()
        [step] = _steps(stage)
        await take_step(stage.platform, COLLECTIONS, step)
        stage.local.queue.drop()

    await stage.settle()

    assert (await _now(stage, backfill)).status is BackfillStatus.DONE
    assert await stage.discrepancies() == []


async def test_a_database_in_an_outage_delays_a_step() -> None:
    """Its message comes back; nothing was done."""
    stage = Stage()
    await _import(stage, ACME, 3)
    backfill = await _start(stage)
    for failing in (1, 2):
        stage.with_database(FailingDatabase(stage.local.database, frozenset({failing})))
        verdicts = await stage.deliver()
        assert [after for after in verdicts.values() if after] != []
        stage.local.clock.advance(1000)
    stage.platform = stage.local
    assert (await _now(stage, backfill)).scanned == 0

    await stage.settle()

    assert await stage.jobs() == ["done"] * 3


async def test_a_rate_is_kept() -> None:
    """So many jobs a minute, and no burst of more than a minute's share."""
    stage = Stage()
    await _import(stage, ACME, 100)
    await _start(stage, rate=30)
    start, queued = stage.local.clock.now(), 0
    while queued < 100:
        await stage.drain()
        queued = await _jobs(stage, ACME)
        minutes = (stage.local.clock.now() - start).total_seconds() / 60
        assert queued <= 30 * (minutes + 1)
        stage.local.clock.advance(5)
    assert minutes <= 4


async def test_a_rate_does_not_bound_the_records_that_are_looked_at() -> None:
    """A walk over records that need nothing takes no longer for it, and no more messages."""
    stage = Stage()
    await _import(stage, ACME, 3 * STEP_RECORDS)
    await _start(stage)
    await stage.settle()
    await stage.rows(
        "UPDATE cognate_embeddings SET content_hash = NULL WHERE record_id IN ("
        "'c00001', 'c00002', 'c00150', 'c00300')"
    )
    backfill = await _start(stage, rate=1)
    start = stage.local.clock.now()
    while (await _now(stage, backfill)).status is BackfillStatus.RUNNING:
        await stage.drain()
        stage.local.clock.advance(5)
    minutes = (stage.local.clock.now() - start).total_seconds() / 60
    assert 3 <= minutes < 4
    ended = await _now(stage, backfill)
    assert (ended.scanned, ended.queued) == (3 * STEP_RECORDS, 4)
    # One for each record that is queued, one for each full step, and the one that finds the end.
    assert ended.step <= 4 + 3 + 1


@pytest.mark.parametrize("selection", Selection)
async def test_only_a_search_for_stale_records_reads_texts(selection: Selection) -> None:
    """What a record says, and what was posted for it."""
    stage = Stage()
    await stage.write(ACME, "r1", "the canary of the record")
    await stage.post(ACME, "the canary that was posted", "r1")
    await stage.drain()
    await _start(stage, selection)
    [step] = _steps(stage)
    answers = await stage.local.database.batch(read_step(CLAIMS, step))
    assert [row["id"] for row in answers[-1]] == ["r1"]
    read = str(answers)
    is_read = selection is Selection.STALE
    assert ("canary of the record" in read) is is_read
    assert ("canary that was posted" in read) is is_read


async def test_a_table_of_any_size_keeps_a_bounded_number_of_jobs_waiting() -> None:
    """While nobody works them off, the walk waits."""
    stage = Stage()
    await _import(stage, ACME, WINDOW + MAX_WAITING + 500)
    backfill = await _start(stage)
    for _ in range(50):
        for step in _steps(stage)[-1:]:
            await take_step(stage.platform, COLLECTIONS, step)
    assert await _jobs(stage, ACME) == WINDOW + MAX_WAITING

    await stage.settle()

    assert (await _now(stage, backfill)).queued == WINDOW + MAX_WAITING + 500
    assert set(await stage.jobs()) == {"done"}


async def test_a_bulk_backfill_of_one_does_not_starve_another() -> None:
    """At most a window and a batch of jobs go before what another organization writes."""

    async def _done(stage: Stage) -> int:
        [row] = await stage.rows(
            "SELECT COUNT(*) AS jobs FROM cognate_jobs "
            "WHERE organization_id = 'org_acme' AND status = 'done'"
        )
        return int(row["jobs"])

    stage = Stage()
    await _import(stage, ACME, 5000)
    await _start(stage)
    for _ in range(100):
        if await _jobs(stage, ACME) >= WINDOW + MAX_WAITING:
            break
        for step in _steps(stage)[-1:]:
            await take_step(stage.platform, COLLECTIONS, step)
    posted = await stage.write(GLOBEX, "c1", "somebody waits for this")
    before = await _done(stage)
    while await stage.status(posted) != "done":
        await stage.deliver()
    assert await _done(stage) - before <= WINDOW + 100


async def test_what_is_written_goes_before_the_backfill_of_its_own_organization() -> None:
    """It waits behind the window, not behind the backfill."""
    stage = Stage()
    await _import(stage, ACME, WINDOW + 400)
    await _start(stage)
    for _ in range(9):
        for step in _steps(stage)[-1:]:
            await take_step(stage.platform, COLLECTIONS, step)
    posted = await stage.write(ACME, "new", "somebody waits for this")
    delivered = 0
    while await stage.status(posted) != "done":
        delivered += len(await stage.deliver())
    assert delivered <= WINDOW + 200


async def test_a_table_that_left_the_schema_ends_its_backfill() -> None:
    """With a code that says so."""
    stage = Stage()
    backfill = await _start(stage)
    await stage.rows("UPDATE cognate_backfills SET scope = 'gone'")
    await take_step(stage.platform, COLLECTIONS, BackfillStep(backfill.id, "gone", 0))

    ended = await _now(stage, backfill)
    assert (ended.status, ended.error_code) == (BackfillStatus.FAILED, "TABLE_UNKNOWN")


async def test_a_message_cannot_turn_a_backfill_to_another_table() -> None:
    """D1 knows which table and organization it is about."""
    stage = Stage()
    await _import(stage, ACME, 1)
    backfill = await _start(stage)
    for wrong in (
        BackfillStep(backfill.id, "articles", 0),
        BackfillStep(backfill.id, "claims", 1),
        BackfillStep("backfill_missing", "claims", 0),
        BackfillStep(backfill.id, "nothing", 0),
    ):
        await take_step(stage.platform, COLLECTIONS, wrong)

    assert (await _now(stage, backfill)).step == 0
    assert await stage.jobs() == []


async def test_an_index_serves_the_reading_of_a_step() -> None:
    """The next records and states are found by their key, and nothing is sorted."""
    for number, found in (
        (-1, "SEARCH r USING INDEX sqlite_autoindex_claims_1 (organization_id=? AND id>?)"),
        (-2, "SEARCH s USING PRIMARY KEY (organization_id=? AND scope=? AND record_id>?)"),
    ):
        statement = read_step(CLAIMS, BackfillStep("b", "claims", 0))[number]
        explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
        [rows] = await Stage().local.database.batch([explain])
        plan = [row["detail"] for row in rows]
        assert found in plan
        assert not any("SCAN" in line and "SCALAR" not in line for line in plan)
        assert not any("TEMP B-TREE" in line for line in plan)


@pytest.mark.parametrize("selection", Selection)
async def test_states_without_a_record_are_removed(selection: Selection) -> None:
    """The records were deleted by SQL, and no trigger saw it; any number, in any order of ids."""
    stage = Stage()
    await _import(stage, ACME, 2 * STEP_RECORDS + 40)
    await _start(stage)
    await stage.settle()
    for name in triggers_of(claims):
        await stage.rows(f"DROP TRIGGER {name}")
    await stage.write(GLOBEX, "c00001", "a text")
    await stage.settle()
    # The first ones, the last ones, and every third in between.
    await stage.rows(
        "DELETE FROM claims WHERE organization_id = 'org_acme' AND (id < 'c00110' "
        "OR id > 'c00230' OR CAST(substr(id, 2) AS INTEGER) % 3 = 0)"
    )
    [left] = await stage.rows(
        "SELECT COUNT(*) AS count FROM claims WHERE organization_id = 'org_acme'"
    )

    backfill = await _start(stage, selection)
    await stage.settle()

    assert await stage.discrepancies() == []
    assert (await _now(stage, backfill)).scanned == left["count"]
    assert len(stage.indexed()) == left["count"] + 1


async def test_a_removal_that_waits_is_not_queued_again() -> None:
    """Its own job is enough."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.settle()
    await stage.delete(ACME, "c1")
    backfill = await _start(stage)
    for step in _steps(stage):
        await take_step(stage.platform, COLLECTIONS, step)
    assert (await _now(stage, backfill)).queued == 0
