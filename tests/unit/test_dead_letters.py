"""Dead letters are recorded on their jobs."""

from __future__ import annotations

import json

import pytest

from cognate.consumer import consume, receive, record_dead_letters
from cognate.jobs.messages import Delivery, reference
from cognate.jobs.replay import replay_job
from cognate.jobs.retry import LONGEST_WAIT_SECONDS
from local.adapters.in_memory_queue import MAX_RETRIES
from tests.stage.faults import Worker
from tests.stage.platform import (
    ACME,
    COLLECTIONS,
    DEAD_LETTERS,
    QUEUE,
    SCHEMA,
    Stage,
    long_text,
)
from tests.unit.embedding.test_finish import again, worker_of

FOREIGN = {"type": "embedding", "organizationId": ACME, "content": "a text"}


async def die(stage: Stage, *bodies: object, message_id: str = "m1") -> None:
    """Record messages that ran out of deliveries."""
    sent_at = stage.local.clock.now()
    deliveries = [Delivery(message_id, body, 1, sent_at=sent_at) for body in bodies]
    await record_dead_letters(
        stage.platform, [receive(delivery, COLLECTIONS) for delivery in deliveries]
    )


@pytest.mark.parametrize(
    ("method", "message", "code"),
    [
        ("run", "3040: Capacity temporarily exceeded", "AI_CAPACITY"),
        ("run", "4006: you have used up your daily free allocation", "AI_ALLOWANCE_USED_UP"),
        ("run", "5007: No such model", "AI_MODEL_UNAVAILABLE"),
        ("run", "5018: The account is not allowed", "AI_ACCESS_DENIED"),
        ("run", "3043: Internal server error", "AI_ERROR"),
        ("upsert", "VECTOR_UPSERT_ERROR (code = 40041): Too Many", "VECTORIZE_THROTTLED"),
        ("upsert", "Network connection lost.", "VECTORIZE_UNAVAILABLE"),
    ],
)
async def test_an_outage_that_outlasts_its_message_fails_no_job(
    method: str, message: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job whose message died in an outage waits until the sweeper sends it again."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    stage.fault(method, message=message, count=1000)
    for _ in range(MAX_RETRIES + 1):
        await stage.deliver()
        stage.local.clock.advance(LONGEST_WAIT_SECONDS)
    [dead] = stage.local.queue.dead_letters
    stage.local.queue.dead_letters = []
    assert stage.local.queue.waiting == []
    await consume(stage.platform, stage.app, DEAD_LETTERS, [dead])
    job = await stage.job(job_id)
    assert (job["status"], job["error_code"], job["charges"]) == ("queued", code, 0)
    assert "Change" not in job["error_message"]

    # Weeks later it is over.
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(22 * 86_400)
    await stage.sweep()
    await stage.drain()
    assert await stage.status(job_id) == "done"
    assert await stage.discrepancies() == []
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [waiting] = [event for event in events if event["event"] == "job.waiting"]
    assert waiting == {"event": "job.waiting", "job": job_id, "code": code}


async def test_a_deletion_that_outlasts_its_message_leaves_no_vector() -> None:
    """A deletion waits as long as Vectorize is throttled, and then removes the vectors."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    job_id = await stage.delete(ACME, "r1")
    message = "VECTOR_DELETE_ERROR (code = 40041): Too Many Requests"
    stage.fault("deleteByIds", message=message, count=1000)
    for _ in range(MAX_RETRIES + 1):
        await stage.deliver()
        stage.local.clock.advance(LONGEST_WAIT_SECONDS)
    assert len(stage.indexed()) == 1
    await stage.settle()
    assert await stage.status(job_id) == "done"
    assert stage.indexed() == {}


async def test_a_text_of_nobodys_table_waits_too() -> None:
    """A posted text without a table waits in an outage, and keeps its text."""
    stage = Stage()
    job_id = await stage.post(ACME, "a text")
    stage.fault("run", message="3040: out of capacity")
    await stage.deliver()
    stage.local.queue.drop()
    await die(stage, reference(ACME, "claims", job_id))
    assert await stage.status(job_id) == "queued"
    await stage.settle()
    assert await stage.status(job_id) == "done"


async def test_a_job_whose_handler_never_finished_says_so() -> None:
    """A job whose handler died fails with `RETRIES_EXHAUSTED`."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    await stage.rows("UPDATE cognate_jobs SET status = 'running'")
    await die(stage, reference(ACME, "claims", job_id))
    job = await stage.job(job_id)
    code, message = (job["error_code"], job["error_message"])
    assert code == "RETRIES_EXHAUSTED"
    assert message.endswith("Its handler never finished.")


async def test_what_a_dead_handler_left_in_the_index_is_written_again() -> None:
    """After a handler died, the next job writes the index although nothing changed."""
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
    await die(stage, reference(ACME, "claims", job_id))
    assert len(stage.vector_ids(ACME, "r1")) == 3
    await stage.write(ACME, "r1", "short")
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_an_older_messages_end_is_not_a_newer_writes() -> None:
    """A dead letter does not fail a job that a newer write has queued again."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    stage.fault("run", message="3040: out of capacity")
    await stage.deliver()
    assert await stage.write(ACME, "r1", "another text") == job_id
    await die(stage, reference(ACME, "claims", job_id))
    await stage.drain()
    assert await stage.status(job_id) == "done"
    assert await stage.discrepancies() == []


async def test_what_is_final_stays_as_it_is() -> None:
    """A dead letter changes no job that has ended."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    await stage.drain()
    await die(stage, reference(ACME, "claims", job_id))
    assert await stage.status(job_id) == "done"


async def test_a_text_that_never_got_its_job_leaves_a_trace() -> None:
    """A text that never got its job gets one failed job, however often its message dies."""
    stage = Stage()
    await die(stage, FOREIGN, {"type": "unknown"})
    await die(stage, FOREIGN)
    assert await stage.rows("SELECT organization_id, status, error_code FROM cognate_jobs") == [
        {"organization_id": ACME, "status": "failed", "error_code": "RETRIES_EXHAUSTED"}
    ]


async def test_a_text_that_never_got_its_job_can_be_replayed() -> None:
    """The text of a dead message can be replayed, for a record and without one."""
    stage = Stage()
    await stage.write(ACME, "r1", "what the record says")
    await stage.drain()
    stage.local.clock.advance(1)
    await die(stage, FOREIGN, message_id="m1")
    await die(stage, {**FOREIGN, "table": "claims", "id": "r1"}, message_id="m2")
    assert await stage.discrepancies() == []

    failed = await stage.rows("SELECT id FROM cognate_jobs WHERE status = 'failed'")
    assert len(failed) == 2
    for row in failed:
        await replay_job(stage.platform, ACME, row["id"])
    await stage.drain()
    assert {await stage.status(row["id"]) for row in failed} == {"done"}


@pytest.mark.parametrize("fails", [False, True])
async def test_a_dead_letter_overrules_no_result(*, fails: bool) -> None:
    """A dead letter of a running job does not overrule the result of its consumer."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    at_work, deliveries = worker_of(stage)
    await at_work.step()
    if fails:
        stage.fault("upsert")
    await die(stage, reference(ACME, "claims", job_id))
    assert await stage.status(job_id) == "failed"

    verdicts = await at_work.finish()

    assert await stage.status(job_id) == ("queued" if fails else "done")
    assert [after is not None for after in verdicts.values()] == [fails]
    await stage.consume(again(deliveries))
    assert await stage.status(job_id) == "done"
    assert (await stage.job(job_id))["error_code"] is None
    assert await stage.discrepancies() == []


async def test_an_older_try_that_fails_ends_no_newer_one() -> None:
    """An older try that fails does not end a newer try of the job."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    older, deliveries = worker_of(stage)
    await older.step()
    newer = Worker(stage.local, lambda ports: consume(ports, SCHEMA, QUEUE, again(deliveries)))
    await newer.step()
    stage.fault("upsert", message="VECTOR_UPSERT_ERROR (code = 40023): refused")
    await older.finish()
    assert await stage.status(job_id) == "running"

    await newer.finish()

    assert await stage.status(job_id) == "done"
    assert await stage.discrepancies() == []
