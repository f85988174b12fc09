"""The sweeper: nothing that was written down is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cognate.errors import DatabaseError
from cognate.jobs.overdue import MAX_HELPED, MAX_OVERDUE
from cognate.jobs.queue import OVERDUE_PLACES, WINDOW
from cognate.jobs.run import LEASE
from cognate.ports import Statement
from cognate.sweeper import Swept, sweep
from tests.stage.platform import ACME, GLOBEX, RETENTION, Stage, long_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery
    from cognate.ports import Database, Row


async def test_a_lost_message_is_sent_again_after_its_patience() -> None:
    """Not before: its message may still be on the way."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    stage.local.queue.drop()
    stage.local.clock.advance(60)
    assert await sweep(stage.platform, stage.app, RETENTION) == Swept(0, 0)
    stage.local.clock.advance(1)
    assert await sweep(stage.platform, stage.app, RETENTION) == Swept(1, 0)
    # Two at once share the work: what one has taken is no longer due.
    assert await sweep(stage.platform, stage.app, RETENTION) == Swept(0, 0)
    await stage.drain()
    assert await stage.jobs() == ["done"]


async def test_each_time_the_pause_is_longer() -> None:
    """A long backlog is not flooded with messages about itself."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    found = []
    for minute in range(200):
        stage.local.queue.drop()
        if (await sweep(stage.platform, stage.app, RETENTION)).announced:
            found.append(minute)
        stage.local.clock.advance(60)
    assert found == [2, 5, 11, 23, 47, 95, 191]


async def test_a_dead_handlers_job_is_taken_back_after_its_lease() -> None:
    """What it may have left in the index is written again."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.settle()
    await stage.write(ACME, "r1", "short")
    stage.fault("upsert", "after")
    await stage.deliver()
    await stage.local.database.batch(
        [Statement("UPDATE cognate_jobs SET status = 'running' WHERE status = 'queued'")]
    )
    stage.local.queue.drop()
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_dead_job_gives_way_to_a_newer_one_which_is_forced() -> None:
    """The newer one finds nothing changed, and writes to the index all the same."""
    stage = Stage()
    await stage.write(ACME, "r1", "one")
    await stage.settle()
    dead = await stage.write(ACME, "r1", "two")
    stage.fault("upsert", "after")
    await stage.deliver()
    await stage.local.database.batch(
        [
            Statement("UPDATE cognate_jobs SET status = 'running' WHERE status = 'queued'"),
            # As if its handler had died right after the call of the index.
            Statement("UPDATE cognate_jobs SET attempts = 1, error_code = NULL"),
        ]
    )
    stage.local.queue.drop()
    newer = await stage.write(ACME, "r1", "one")
    stage.local.queue.drop()
    stage.local.clock.advance(1000)
    await stage.sweep()
    assert await stage.status(dead) == "superseded"
    assert (await stage.job(newer))["forced"] == 1
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_two_dead_jobs_of_one_record_end() -> None:
    """One is queued again; the other gives way to it in this run or the next."""
    stage = Stage()
    for text in ("one", "two"):
        await stage.write(ACME, "r1", text)
        await stage.local.database.batch([Statement("UPDATE cognate_jobs SET status='running'")])
    await stage.local.database.batch([Statement("UPDATE cognate_jobs SET due_at = ''")])
    stage.local.queue.drop()
    await stage.settle()
    assert sorted(await stage.jobs()) == ["done", "superseded"]
    assert await stage.discrepancies() == []


async def test_a_run_does_a_bounded_amount_of_work() -> None:
    """The rest waits for the next minute."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        for number in range(MAX_OVERDUE // 2 + 10):
            await stage.write(organization_id, f"r{number}", "a text")
    stage.local.queue.drop()
    stage.local.clock.advance(61)
    assert [await sweep(stage.platform, stage.app, RETENTION) for _ in range(3)] == [
        Swept(MAX_OVERDUE, 0),
        Swept(20, 0),
        Swept(0, 0),
    ]


async def test_old_finished_jobs_are_removed_and_failed_ones_kept() -> None:
    """A failed one can still be replayed; one that is nobody's cannot be seen at all."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    stage.fault("run", message="5006: invalid")
    await stage.write(ACME, "r2", "a text")
    await stage.local.queue.send([{"type": "unknown"}])
    await stage.drain()
    stage.local.clock.advance(timedelta(days=30).total_seconds())
    assert await sweep(stage.platform, stage.app, RETENTION) == Swept(0, 0)
    stage.local.clock.advance(0.001)
    await sweep(stage.platform, stage.app, RETENTION)
    assert await stage.jobs() == ["failed"]


async def test_organizations_with_a_full_window_take_nobodys_place() -> None:
    """However many there are, the sweeper gets to those whose jobs can be let out."""
    stage = Stage()
    for number in range(MAX_HELPED + 2):
        organization = f"org_{number:02}"
        await stage.write_many(organization, {f"r{n}": "a text" for n in range(WINDOW + 1)})
    job = await stage.write("org_99", "r1", "a text")
    await stage.rows("UPDATE cognate_jobs SET announced = 0, due_at = '9999' WHERE id = ?1", job)
    await stage.sweep()

    assert (await stage.job(job))["announced"] == 1


async def _minutes_until_done(stage: Stage, job: str) -> int:
    """Sweep and deliver once a minute, as the cron trigger does, until a job is done."""
    for minute in range(30):
        await stage.sweep()
        await stage.drain()
        if await stage.status(job) == "done":
            return minute
        stage.local.clock.advance(60)
    raise AssertionError("it is never done")


@dataclass
class DyingDatabase:
    """A database whose user is killed before the second call."""

    inner: Database
    calls: int = 0

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.calls += 1
        if self.calls > 1:
            raise KeyboardInterrupt
        return await self.inner.batch(statements)


async def _die(stage: Stage) -> list[Delivery]:
    """Let a handler start what is in the queue, and die before it has said what became of it."""
    deliveries = stage.local.queue.take()
    stage.with_database(DyingDatabase(stage.local.database))
    with pytest.raises(KeyboardInterrupt):
        await stage.consume(deliveries)
    stage.platform = stage.local
    return list(deliveries)


async def test_a_record_whose_message_is_lost_waits_two_minutes() -> None:
    """The patience of a minute, and up to one more for the sweeper's next run."""
    stage = Stage()
    job = await stage.write(ACME, "r1", "a text")
    stage.local.queue.drop()
    assert await _minutes_until_done(stage, job) == 2


async def test_a_record_whose_handler_died_waits_for_the_queue_to_deliver_again() -> None:
    """Whoever gets the message then takes the job over, without waiting for its lease."""
    stage = Stage()
    job = await stage.write(ACME, "r1", "a text")
    deliveries = await _die(stage)
    seen = [await stage.status(job)]
    stage.local.queue.settle({item.message_id: 30 for item in deliveries})
    stage.local.clock.advance(30)
    await stage.drain()
    assert [*seen, await stage.status(job)] == ["running", "done"]


async def test_a_record_whose_handler_died_with_its_message_waits_for_its_lease() -> None:
    """Five minutes, and up to one more for the sweeper's next run."""
    stage = Stage()
    job = await stage.write(ACME, "r1", "a text")
    await _die(stage)
    stage.local.queue.drop()
    assert await _minutes_until_done(stage, job) == LEASE // timedelta(minutes=1) + 1


async def test_a_window_of_lost_messages_does_not_hold_up_new_records() -> None:
    """Not even where more messages are lost than the sweeper sends again in one run."""
    stage = Stage()
    organizations = ["org_1", "org_2", "org_3"]
    for organization in organizations:
        await stage.write_many(organization, {f"r{n}": "a text" for n in range(WINDOW)})
    stage.local.queue.drop()
    new = [await stage.write(name, "new", "a new text") for name in organizations]
    assert stage.local.queue.waiting == []
    minutes = [await _minutes_until_done(stage, job) for job in new]
    assert len([status for status in await stage.jobs() if status == "queued"]) > 0
    assert minutes == [1, 0, 0]


async def test_a_queue_that_is_slow_is_not_flooded() -> None:
    """While a window of messages is overdue and not sent again, a fifth of it goes out besides."""
    most = 2 * WINDOW - OVERDUE_PLACES
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(2 * WINDOW)})
    sizes = [len(stage.local.queue.waiting)]
    for seconds in (60, 0.001, 1):
        stage.local.clock.advance(seconds)
        await stage.write(ACME, f"new{seconds}", "a text")
        sizes.append(len(stage.local.queue.waiting))
    assert sizes == [WINDOW, most, most, most]


@dataclass
class Refusing:
    """A database that refuses calls with these words in a statement."""

    database: Database
    words: str

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        if any(self.words in item.sql for item in statements):
            message = "out of reach"
            raise DatabaseError(message)
        return await self.database.batch(statements)


@pytest.mark.parametrize("words", ["DELETE FROM cognate_idempotency", "cognate_mutations"])
async def test_the_look_at_the_indexes_and_the_rest_do_not_depend_on_each_other(words: str) -> None:
    """One that fails is seen, and the other is done."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    await stage.write(ACME, "r2", "a text")
    stage.local.queue.drop()
    stage.local.clock.advance(120)
    stage.with_database(Refusing(stage.local.database, words))
    with pytest.raises(DatabaseError):
        await sweep(stage.platform, stage.app, RETENTION)
    assert bool(stage.local.queue.waiting) is (words == "cognate_mutations")
    looked = await stage.rows("SELECT * FROM cognate_indexes")
    assert bool(looked) is (words != "cognate_mutations")
