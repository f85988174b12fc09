"""Jobs about metadata only, beside those that embed: the text is never forgotten over them."""

from __future__ import annotations

import asyncio
from typing import Final

from cognate.ports import Statement
from cognate.queueing import Wanted, announce, queue_statements, release_statement
from cognate.replay import replay_jobs
from tests.unit.core.faults import Worker
from tests.unit.core.stage import ACME, CLAIMS, Stage

OLD: Final = "A harbour in the morning."
NEW: Final = "A railway over the mountains."


async def change_story(stage: Stage, story_id: str) -> None:
    """Change a claim's metadata, as the records API does when no embedded field has changed."""
    now = stage.local.clock.now()
    update = Statement(
        "UPDATE claims SET story_id = ?2 WHERE organization_id = ?1 AND id = 'c'", (ACME, story_id)
    )
    queue = queue_statements(
        CLAIMS,
        ACME,
        [Wanted("c", embeds=False)],
        source="update",
        now=now,
        condition="TRUE",
    )
    *_, released = await stage.local.database.batch(
        [update, *queue, release_statement(ACME, now)]
    )
    await announce(stage.platform, released)


def test_one_that_overtakes_a_running_job_embeds_in_its_place() -> None:
    """The running job's vectors are of an older revision, so nobody would keep them."""

    async def play() -> list[str]:
        stage = Stage()
        await stage.write(ACME, "c", OLD)
        await stage.drain()
        await stage.write(ACME, "c", NEW)
        deliveries = stage.local.queue.take()
        running = Worker(stage.local, lambda _: stage.consume(deliveries))
        await running.step()
        stage.local.queue.settle({})
        [job] = await stage.rows("SELECT * FROM cognate_jobs WHERE status = 'queued' LIMIT 1") or [
            {}
        ]
        assert job == {}
        await stage.rows("UPDATE cognate_jobs SET status = 'running' WHERE status = 'done'")
        await change_story(stage, "two")
        await running.finish()
        await stage.rows(
            "UPDATE cognate_jobs SET status = 'done' WHERE status = 'running' AND source = 'write'"
        )
        await stage.settle()
        return await stage.discrepancies()

    assert asyncio.run(play()) == []
