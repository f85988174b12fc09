"""Dead letters: written on their jobs, and nothing else is touched."""

from __future__ import annotations

import asyncio
from typing import Any

from cognate.ingest.claim import Delivery
from cognate.ingest.dead_letters import record_dead_letters
from cognate.messages import reference
from cognate.replay import replay_job
from tests.unit.core.stage import ACME, COLLECTIONS, Stage, long_text

FOREIGN = {"type": "embedding", "organizationId": ACME, "content": "a text"}


async def die(stage: Stage, *bodies: object, message_id: str = "m1") -> None:
    """The messages ran out of deliveries."""
    deliveries = [Delivery(message_id, body, 1) for body in bodies]
    await record_dead_letters(stage.platform, COLLECTIONS, deliveries)


def test_a_job_that_failed_to_the_end_keeps_its_reason() -> None:
    """The code of what failed last stays, and so does its text, for a replay."""

    async def story() -> dict[str, Any]:
        stage = Stage()
        job_id = await stage.post(ACME, "a text")
        stage.fault("run", message="3040: out of capacity")
        await stage.deliver()
        await die(stage, reference(job_id, ""))
        return await stage.job(job_id)

    job = asyncio.run(story())
    assert (job["status"], job["error_code"]) == ("failed", "AI_CAPACITY")
    assert job["error_message"].startswith("It was tried as often as the queue allows. Workers AI")
    assert job["completed_at"] is not None


def test_a_job_whose_handler_never_finished_says_so() -> None:
    """There is no other code for it."""

    async def story() -> tuple[str, str]:
        stage = Stage()
        job_id = await stage.write(ACME, "r1", "a text")
        await stage.rows("UPDATE cognate_jobs SET status = 'running'")
        await die(stage, reference(job_id, "claims"))
        job = await stage.job(job_id)
        return job["error_code"], job["error_message"]

    code, message = asyncio.run(story())
    assert code == "RETRIES_EXHAUSTED"
    assert message.endswith("Its handler never finished.")


def test_what_a_dead_handler_left_in_the_index_is_written_again() -> None:
    """The next job of the record finds nothing changed, and does not trust the index."""

    async def story() -> None:
        stage = Stage()
        await stage.write(ACME, "r1", "short")
        await stage.settle()
        job_id = await stage.write(ACME, "r1", long_text(3))
        stage.fault("upsert", "after")
        await stage.deliver()
        await stage.rows("UPDATE cognate_jobs SET status = 'running' WHERE status = 'queued'")
        # As if the handler had died before it stored anything.
        await stage.rows(
            "UPDATE cognate_embeddings SET index_hash = 'of the short text', chunks = '[[0, 5]]'"
        )
        stage.local.queue.drop()
        await die(stage, reference(job_id, "claims"))
        assert len(stage.vector_ids(ACME, "r1")) == 3
        await stage.write(ACME, "r1", "short")
        await stage.settle()
        assert await stage.discrepancies() == []

    asyncio.run(story())


def test_an_older_messages_end_is_not_a_newer_writes() -> None:
    """The record was written while its job waited: the job has a message of its own again."""

    async def story() -> None:
        stage = Stage()
        job_id = await stage.write(ACME, "r1", "a text")
        stage.fault("run", message="3040: out of capacity")
        await stage.deliver()
        assert await stage.write(ACME, "r1", "another text") == job_id
        await die(stage, reference(job_id, "claims"))
        await stage.drain()
        assert await stage.status(job_id) == "done"
        assert await stage.discrepancies() == []

    asyncio.run(story())


def test_what_is_final_stays_as_it_is() -> None:
    """A duplicate that died does not undo what its twin did."""

    async def story() -> str:
        stage = Stage()
        job_id = await stage.write(ACME, "r1", "a text")
        await stage.drain()
        await die(stage, reference(job_id, "claims"))
        return await stage.status(job_id)

    assert asyncio.run(story()) == "done"


def test_a_text_that_never_got_its_job_leaves_a_trace() -> None:
    """Once, however often it is recorded; what cannot be understood was recorded when it came."""

    async def story() -> list[dict[str, Any]]:
        stage = Stage()
        await die(stage, FOREIGN, {"type": "unknown"})
        await die(stage, FOREIGN)
        return await stage.rows("SELECT organization_id, status, error_code FROM cognate_jobs")

    assert asyncio.run(story()) == [
        {"organization_id": ACME, "status": "failed", "error_code": "RETRIES_EXHAUSTED"}
    ]


def test_a_text_that_never_got_its_job_can_be_replayed() -> None:
    """What another Worker sent is kept with the job, for a record as for none."""

    async def story() -> None:
        stage = Stage()
        await stage.write(ACME, "r1", "what the record says")
        await stage.drain()
        await die(stage, FOREIGN, message_id="m1")
        await die(stage, {**FOREIGN, "table": "claims", "id": "r1"}, message_id="m2")
        assert await stage.discrepancies() == []

        failed = await stage.rows("SELECT id FROM cognate_jobs WHERE status = 'failed'")
        assert len(failed) == 2
        for row in failed:
            await replay_job(stage.platform, ACME, row["id"])
        await stage.drain()
        assert {await stage.status(row["id"]) for row in failed} == {"done"}

    asyncio.run(story())
