"""The sweeper: nothing that was written down is forgotten."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from cognate.ports import Statement
from cognate.queueing import WINDOW
from cognate.stalled import MAX_HELPED
from cognate.sweeper import MAX_JOBS_PER_RUN, Swept, sweep
from tests.unit.core.stage import ACME, GLOBEX, RETENTION, Stage, long_text


def test_a_lost_message_is_sent_again_after_its_patience() -> None:
    """Not before: its message may still be on the way."""

    async def story() -> None:
        stage = Stage()
        await stage.write(ACME, "r1", "a text")
        stage.local.queue.drop()
        stage.local.clock.advance(300)
        assert await sweep(stage.platform, stage.app, RETENTION) == Swept(0, 0)
        stage.local.clock.advance(1)
        assert await sweep(stage.platform, stage.app, RETENTION) == Swept(1, 0)
        # Two at once share the work: what one has taken is no longer due.
        assert await sweep(stage.platform, stage.app, RETENTION) == Swept(0, 0)
        await stage.drain()
        assert await stage.jobs() == ["done"]

    asyncio.run(story())


def test_each_time_the_pause_is_longer() -> None:
    """A long backlog is not flooded with messages about itself."""

    async def story() -> list[int]:
        stage = Stage()
        await stage.write(ACME, "r1", "a text")
        found = []
        for minute in range(200):
            stage.local.queue.drop()
            if (await sweep(stage.platform, stage.app, RETENTION)).announced:
                found.append(minute)
            stage.local.clock.advance(60)
        return found

    assert asyncio.run(story()) == [6, 17, 35, 71, 143]


def test_a_dead_handlers_job_is_taken_back_after_its_lease() -> None:
    """What it may have left in the index is written again."""

    async def story() -> None:
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

    asyncio.run(story())


def test_a_dead_job_gives_way_to_a_newer_one_which_is_forced() -> None:
    """The newer one finds nothing changed, and writes to the index all the same."""

    async def story() -> None:
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

    asyncio.run(story())


def test_two_dead_jobs_of_one_record_end() -> None:
    """One is queued again; the other gives way to it in this run or the next."""

    async def story() -> None:
        stage = Stage()
        for text in ("one", "two"):
            await stage.write(ACME, "r1", text)
            await stage.local.database.batch(
                [Statement("UPDATE cognate_jobs SET status='running'")]
            )
        await stage.local.database.batch([Statement("UPDATE cognate_jobs SET due_at = ''")])
        stage.local.queue.drop()
        await stage.settle()
        assert sorted(await stage.jobs()) == ["done", "superseded"]
        assert await stage.discrepancies() == []

    asyncio.run(story())


def test_a_run_does_a_bounded_amount_of_work() -> None:
    """The rest waits for the next minute."""

    async def story() -> list[Swept]:
        stage = Stage()
        for organization_id in (ACME, GLOBEX):
            for number in range(MAX_JOBS_PER_RUN // 2 + 10):
                await stage.write(organization_id, f"r{number}", "a text")
        stage.local.queue.drop()
        stage.local.clock.advance(301)
        return [await sweep(stage.platform, stage.app, RETENTION) for _ in range(3)]

    assert asyncio.run(story()) == [Swept(MAX_JOBS_PER_RUN, 0), Swept(20, 0), Swept(0, 0)]


def test_old_finished_jobs_are_removed_and_failed_ones_kept() -> None:
    """A failed one can still be replayed; one that is nobody's cannot be seen at all."""

    async def story() -> list[str]:
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
        return await stage.jobs()

    assert asyncio.run(story()) == ["failed"]


def test_organizations_with_a_full_window_take_nobodys_place() -> None:
    """However many there are, the sweeper gets to those whose jobs can be let out."""

    async def story() -> None:
        stage = Stage()
        for number in range(MAX_HELPED + 2):
            organization = f"org_{number:02}"
            await stage.write_many(organization, {f"r{n}": "a text" for n in range(WINDOW + 1)})
        job = await stage.write("org_99", "r1", "a text")
        await stage.rows(
            "UPDATE cognate_jobs SET announced = 0, due_at = '9999' WHERE id = ?1", job
        )
        await stage.sweep()

        assert (await stage.job(job))["announced"] == 1

    asyncio.run(story())
