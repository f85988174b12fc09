"""Failed jobs are dismissed: they are final, and stand for nothing any more."""

from __future__ import annotations

import pytest

from cognate.backfill.backfills import start_backfill
from cognate.backfill.coverage import Coverage, coverage
from cognate.backfill.needs import Selection
from cognate.errors import JobNotFailed, NotFound
from cognate.jobs.failed import MAX_CHOSEN
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import reference
from cognate.texts.dismissal import Dismissed, dismiss_job, dismiss_jobs
from cognate.texts.posted import find_text
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage


async def _fail(stage: Stage, count: int = 9) -> None:
    """Let the next calls of the model refuse what they get."""
    stage.fault("run", "error", "5004: bad input", count=count)


async def _failed(stage: Stage, *record_ids: str) -> list[str]:
    """A failed job for each of these records."""
    await _fail(stage, 1000)
    ids = [await stage.write(ACME, record, f"text {record}") for record in record_ids]
    await stage.drain()
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    assert [await stage.status(job_id) for job_id in ids] == ["failed"] * len(ids)
    return ids


async def _counted(stage: Stage) -> tuple[int, ...]:
    """Embedded, pending, failed, stale, missing."""
    [found] = await coverage(stage.platform, ACME, [CLAIMS])
    assert isinstance(found, Coverage)
    return (found.embedded, found.pending, found.failed, found.stale, found.missing)


async def test_a_dismissed_job_is_final() -> None:
    """It keeps its error; a second time changes nothing."""
    stage = Stage()
    await _fail(stage)
    await stage.write(ACME, "c1", "a text")
    posted = await stage.post(ACME, "a text with a secret", "c1")
    await stage.drain()
    stage.local.clock.advance(1)

    job = await dismiss_job(stage.platform, ACME, posted)

    assert job.status is JobStatus.DISMISSED
    assert job.error_code == "AI_INPUT_REJECTED"
    assert job.completed_at == stage.local.clock.now()
    stage.local.clock.advance(1)
    assert await dismiss_job(stage.platform, ACME, posted) == job


async def test_a_record_counts_as_what_it_is_without_the_job() -> None:
    """Missing where nothing was made of it, embedded where its vectors are of what it says."""
    stage = Stage()
    for record in ("right", "changed"):
        await stage.write(ACME, record, "a text")
    await stage.drain()
    await _fail(stage)
    await stage.write(ACME, "never", "a text")
    await stage.write(ACME, "changed", "another text")
    await stage.drain()
    await stage.rows("UPDATE cognate_jobs SET status = 'failed' WHERE record_id = 'right'")
    assert await _counted(stage) == (0, 0, 3, 0, 0)

    assert await dismiss_jobs(stage.platform, ACME) == Dismissed(3, 0)

    assert await _counted(stage) == (1, 0, 0, 1, 1)


async def test_a_text_that_was_posted_for_a_record_is_given_up_with_its_job() -> None:
    """The record counts as stale, and a backfill embeds what it says."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.post(ACME, "a text in its place", "c1")
    await stage.drain()
    await _fail(stage)
    failed = await stage.post(ACME, "a bad text in its place", "c1")
    await stage.drain()
    stage.local.bindings.faults.clear()

    await dismiss_job(stage.platform, ACME, failed)

    assert (await stage.state(ACME, "c1"))["posted_text"] is None
    assert await _counted(stage) == (0, 0, 0, 1, 0)
    await start_backfill(stage.platform, ACME, CLAIMS, Selection.STALE, None)
    await stage.settle()
    assert await _counted(stage) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize("later", ["queued", "done"])
async def test_a_text_that_a_later_job_is_about_stays(later: str) -> None:
    """One that waits, or one that is embedded already."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.drain()
    await _fail(stage, 3)
    failed = await stage.post(ACME, "a bad text in its place", "c1")
    await stage.drain()
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    await stage.post(ACME, "a good text in its place", "c1")
    if later == "done":
        await stage.drain()

    await dismiss_job(stage.platform, ACME, failed)

    assert (await stage.state(ACME, "c1"))["posted_text"] == "a good text in its place"


async def test_only_failed_jobs_can_be_dismissed() -> None:
    """And only those of the caller's organization."""
    stage = Stage()
    [failed] = await _failed(stage, "c1")
    queued = await stage.write(ACME, "c2", "a text")
    with pytest.raises(JobNotFailed):
        await dismiss_job(stage.platform, ACME, queued)
    await stage.drain()
    with pytest.raises(JobNotFailed):
        await dismiss_job(stage.platform, ACME, queued)
    messages = set()
    for organization, job_id in ((GLOBEX, failed), (ACME, "job_none")):
        with pytest.raises(NotFound) as caught:
            await dismiss_job(stage.platform, organization, job_id)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert await dismiss_jobs(stage.platform, GLOBEX) == Dismissed(0, 0)
    assert (await stage.status(failed), await stage.status(queued)) == ("failed", "done")


async def test_they_are_chosen_by_table_and_code() -> None:
    """Also what nobody can replay: senseless messages, and jobs of tables that are gone."""
    stage = Stage()
    claim, gone = await _failed(stage, "c1", "c2")
    await stage.rows("UPDATE cognate_jobs SET scope = 'old_table' WHERE id = ?1", gone)
    await stage.local.queue.send([{"type": "embedding", "organizationId": ACME, "content": 7}])
    await stage.drain()
    chosen = [
        {"code": "AI_TIMEOUT"},
        {"scope": "articles"},
        {"scope": "claims", "code": "MESSAGE_MALFORMED"},
        {"code": "MESSAGE_MALFORMED"},
        {"scope": "old_table"},
        {"scope": "claims", "code": "AI_INPUT_REJECTED"},
    ]
    found = [(await dismiss_jobs(stage.platform, ACME, **item)).dismissed for item in chosen]

    assert found == [0, 0, 0, 1, 1, 1]
    assert await stage.jobs() == ["dismissed"] * 3
    assert await stage.status(claim) == "dismissed"


async def test_one_call_dismisses_a_bounded_number() -> None:
    """The oldest first; it says how many remain."""
    stage = Stage()
    await stage.rows(
        "INSERT INTO cognate_jobs (id, organization_id, scope, source, status, due_at, "
        "created_at, updated_at, completed_at) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM n WHERE i < CAST(?2 AS INTEGER)) SELECT printf('job_%07d', i), ?1, '', "
        "'message', 'failed', '', 1000000 + i, '', '' FROM n",
        ACME,
        str(MAX_CHOSEN + 1),
    )

    assert await dismiss_jobs(stage.platform, ACME) == Dismissed(MAX_CHOSEN, 1)

    rows = await stage.rows("SELECT id FROM cognate_jobs WHERE status = 'failed'")
    assert [row["id"] for row in rows] == [f"job_{MAX_CHOSEN + 1:07}"]
    assert await dismiss_jobs(stage.platform, ACME) == Dismissed(1, 0)


async def test_a_message_that_comes_late_finds_nothing_to_do() -> None:
    """The queue may deliver it once more."""
    stage = Stage()
    [job_id] = await _failed(stage, "c1")
    await dismiss_job(stage.platform, ACME, job_id)
    await stage.local.queue.send([reference(ACME, "claims", job_id)])
    await stage.drain()

    assert await stage.status(job_id) == "dismissed"
    assert stage.vector_ids(ACME, "c1") == []


async def test_a_text_that_was_never_embedded_goes_with_its_job() -> None:
    """Nothing else refers to it; one that has a vector stays."""
    stage = Stage()
    embedded = await stage.post(ACME, "a text that is embedded")
    await stage.drain()
    await _fail(stage, 1000)
    failed = [await stage.post(ACME, f"a bad text {number}") for number in range(2)]
    await stage.drain()
    stage.local.bindings.faults.clear()
    await stage.rows("UPDATE cognate_jobs SET status = 'failed' WHERE id = ?1", embedded)
    await dismiss_job(stage.platform, ACME, failed[0])
    assert await find_text(stage.local.database, ACME, failed[0]) is None
    assert await find_text(stage.local.database, ACME, failed[1]) is not None

    assert await dismiss_jobs(stage.platform, ACME) == Dismissed(2, 0)

    assert await find_text(stage.local.database, ACME, failed[1]) is None
    assert await find_text(stage.local.database, ACME, embedded) is not None
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_what_a_failed_try_left_in_the_index_goes_with_the_text() -> None:
    """The index took the vectors, and nobody heard of it."""
    stage = Stage()
    job_id = await stage.post(ACME, "a text")
    stage.fault("upsert", "after")
    await stage.deliver()
    assert len(stage.indexed()) == 1
    await stage.rows(
        "UPDATE cognate_jobs SET status = 'failed', error_code = 'VECTORIZE_REJECTED', "
        "completed_at = '2026-11-20T12:00:00.000Z'"
    )
    await stage.rows("UPDATE cognate_embeddings SET embedded_at = NULL")
    stage.local.queue.drop()

    await dismiss_job(stage.platform, ACME, job_id)
    await stage.settle()

    assert stage.indexed() == {}


async def test_a_dismissed_job_is_removed_as_a_finished_one_is() -> None:
    """After the retention."""
    stage = Stage()
    dismissed, _failed_still = await _failed(stage, "c1", "c2")
    await dismiss_job(stage.platform, ACME, dismissed)
    stage.local.clock.advance(31 * 24 * 3600)
    await stage.sweep()
    assert await stage.jobs() == ["failed"]
