"""Failed jobs are tried again, of each record one, and only those of the organization that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.errors import JobNotFailed, NotFound, QueueError
from cognate.jobs.failed import MAX_CHOSEN
from cognate.jobs.job import JobStatus
from cognate.jobs.queue import WINDOW
from cognate.jobs.replay import Replayed, replay_job, replay_jobs
from cognate.texts.post import TextToEmbed, enqueue
from tests.stage.platform import ACME, CLAIMS, GLOBEX, SCHEMA, Stage

if TYPE_CHECKING:
    from cognate.principal import OrganizationId


async def _failed(stage: Stage, *record_ids: str, organization: OrganizationId = ACME) -> list[str]:
    """A failed job for each of these records."""
    stage.fault("run", "error", "5004: bad input", count=1000)
    ids = [await stage.write(organization, record, f"text {record}") for record in record_ids]
    await stage.drain()
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    assert [await stage.status(job_id) for job_id in ids] == ["failed"] * len(ids)
    return ids


async def test_a_failed_job_starts_over() -> None:
    """Under its own id, without its error and its attempts; then it is done."""
    stage = Stage()
    [job_id] = await _failed(stage, "c1")

    job = await replay_job(stage.platform, ACME, job_id)

    assert (job.id, job.status, job.attempts) == (job_id, JobStatus.QUEUED, 0)
    assert (job.error_code, job.completed_at) == (None, None)
    assert [message["jobId"] for message in stage.local.queue.waiting] == [job_id]
    await stage.settle()
    assert await stage.status(job_id) == "done"
    assert await stage.discrepancies() == []


async def test_a_replay_twice_is_one() -> None:
    """The second finds nothing failed."""
    stage = Stage()
    [job_id] = await _failed(stage, "c1")
    await replay_job(stage.platform, ACME, job_id)

    with pytest.raises(JobNotFailed):
        await replay_job(stage.platform, ACME, job_id)
    assert len(stage.local.queue.waiting) == 1


async def test_a_queued_job_of_the_record_stands_for_the_failed_one() -> None:
    """It is answered, and forced to write what the failed one may have left undone."""
    stage = Stage()
    [failed] = await _failed(stage, "c1")
    queued = await stage.write(ACME, "c1", "a newer text")

    job = await replay_job(stage.platform, ACME, failed)

    assert job.id == queued
    assert (await stage.job(queued))["forced"] == 1
    assert await stage.status(failed) == "superseded"


async def test_older_failures_of_a_record_are_over() -> None:
    """The newest one embeds what the record says."""
    stage = Stage()
    [first] = await _failed(stage, "c1")
    [second] = await _failed(stage, "c1")

    assert await replay_jobs(stage.platform, ACME) == Replayed(1, 0)

    assert [await stage.status(first), await stage.status(second)] == ["superseded", "queued"]


@pytest.mark.parametrize(("written", "embedded"), [(False, "given words"), (True, "newer words")])
async def test_a_text_that_was_given_is_embedded_unless_the_record_was_written_since(
    embedded: str, *, written: bool
) -> None:
    """Then the record's own words are newer."""
    stage = Stage()
    await stage.write(ACME, "c1", "first words")
    await stage.settle()
    stage.local.clock.advance(1)
    stage.fault("run", "error", "5004: bad input", count=9)
    text = TextToEmbed("given words", "claims", "c1")
    [failed] = (await enqueue(stage.platform, SCHEMA, ACME, [text])).results
    await stage.drain()
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    if written:
        await stage.write(ACME, "c1", "newer words")
        await stage.settle()
    await replay_job(stage.platform, ACME, str(failed))
    await stage.settle()
    [row] = await stage.rows("SELECT hex(embedding) AS vectors FROM claims")
    vectors = await Stage().local.embedder.embed(CLAIMS.model, [embedded])
    assert row["vectors"] == vectors.float32().hex().upper()


async def test_only_failed_jobs_are_tried_again() -> None:
    """One that is done, and one that another organization has, are told apart by nothing else."""
    stage = Stage()
    done = await stage.write(ACME, "c1", "text")
    await stage.settle()
    [foreign] = await _failed(stage, "c1", organization=GLOBEX)

    with pytest.raises(JobNotFailed):
        await replay_job(stage.platform, ACME, done)
    for job_id in (foreign, "job_missing"):
        with pytest.raises(NotFound):
            await replay_job(stage.platform, ACME, job_id)
    assert await replay_jobs(stage.platform, ACME) == Replayed(0, 0)
    assert await stage.status(foreign) == "failed"


async def test_a_message_that_made_no_sense_is_not_tried_again() -> None:
    """There is no record in it."""
    stage = Stage()
    body = {"type": "embedding", "organizationId": ACME, "content": " "}
    await stage.local.queue.send([body])
    await stage.drain()
    [row] = await stage.rows("SELECT id, status FROM cognate_jobs")
    assert row["status"] == "failed"

    with pytest.raises(JobNotFailed):
        await replay_job(stage.platform, ACME, row["id"])
    assert await replay_jobs(stage.platform, ACME) == Replayed(0, 0)


async def test_many_are_chosen_by_table_and_code() -> None:
    """What does not match stays failed."""
    stage = Stage()
    await _failed(stage, "c1", "c2", "c3")

    assert await replay_jobs(stage.platform, ACME, scope="articles") == Replayed(0, 0)
    assert await replay_jobs(stage.platform, ACME, code="AI_TIMEOUT") == Replayed(0, 0)
    found = await replay_jobs(stage.platform, ACME, scope="claims", code="AI_INPUT_REJECTED")

    assert found == Replayed(3, 0)
    await stage.settle()
    assert await stage.jobs() == ["done"] * 3
    assert await stage.discrepancies() == []


async def test_a_call_is_bounded_and_says_what_remains() -> None:
    """And no more than a window of messages goes out."""
    stage = Stage()
    await stage.rows(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
        "revision) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM n WHERE n < 1100) "
        "SELECT ?1, 'claims', 'c' || n, 'key' || n, 1 FROM n",
        ACME,
    )
    await stage.rows(
        "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, "
        "due_at, created_at, updated_at, completed_at) SELECT 'job' || record_id, ?1, scope, "
        "record_id, 'write', 'failed', '', '2026', '2026', '2026' FROM cognate_embeddings",
        ACME,
    )

    assert await replay_jobs(stage.platform, ACME) == Replayed(MAX_CHOSEN, 100)
    assert await replay_jobs(stage.platform, ACME) == Replayed(100, 0)
    assert len(stage.local.queue.waiting) == WINDOW


async def test_a_queue_in_an_outage_loses_no_replay() -> None:
    """The sweeper sends its message."""
    stage = Stage()
    [job_id] = await _failed(stage, "c1")
    stage.local.queue.outage = QueueError("out of reach")
    await replay_job(stage.platform, ACME, job_id)
    stage.local.queue.outage = None

    await stage.settle()

    assert await stage.status(job_id) == "done"
