"""Jobs that only follow metadata take over the text of a job that they replace."""

from __future__ import annotations

from typing import Final

from cognate.consumer import consume
from cognate.embedding.request import EmbeddingRequest
from cognate.jobs.replay import replay_job
from cognate.ports import Statement
from tests.stage.faults import Worker
from tests.stage.platform import ACME, CLAIMS, QUEUE, SCHEMA, Stage

OLD: Final = "A harbour in the morning."
NEW: Final = "A railway over the mountains."


async def change_story(stage: Stage, story_id: str) -> None:
    """Change a claim's metadata, as the records API does if no embedded field has changed."""
    update = Statement(
        "UPDATE claims SET story_id = ?2 WHERE organization_id = ?1 AND id = 'c'", (ACME, story_id)
    )
    await stage.request(
        CLAIMS, [EmbeddingRequest("c", embeds=False)], source="update", first=update
    )


async def test_one_that_overtakes_a_running_job_embeds_in_its_place() -> None:
    """A metadata job that overtakes a running job embeds the text in its place."""
    stage = Stage()
    await stage.write(ACME, "c", OLD)
    await stage.drain()
    await stage.write(ACME, "c", NEW)
    deliveries = stage.local.queue.take()
    stage.local.queue.settle({})
    running = Worker(stage.local, lambda ports: consume(ports, SCHEMA, QUEUE, deliveries))
    await running.step()
    await change_story(stage, "two")
    await running.finish()
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_one_that_waits_embeds_what_is_replayed() -> None:
    """A waiting metadata job embeds the text if the failed job of its record is retried."""
    stage = Stage()
    await stage.write(ACME, "c", OLD)
    await stage.drain()
    stage.fault("run", message="5006: invalid")
    failed = await stage.write(ACME, "c", NEW)
    await stage.drain()
    assert await stage.status(failed) == "failed"
    await change_story(stage, "two")
    await replay_job(stage.platform, ACME, failed)
    await stage.settle()
    assert await stage.discrepancies() == []
