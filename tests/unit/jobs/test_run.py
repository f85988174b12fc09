"""Starting and ending jobs: every change of status that a consumer makes."""

from __future__ import annotations

import pytest

from cognate.jobs.job import JobStatus
from cognate.jobs.messages import JobKey
from cognate.jobs.run import (
    JobEnd,
    StartedJob,
    end_statements,
    fail_statements,
    repair_statements,
    waiting_statement,
)
from tests.stage.platform import ACME, GLOBEX, Stage


async def _job(stage: Stage, status: str, *, attempts: int = 1, organization: str = ACME) -> str:
    job_id = await stage.write(organization, "r1", "a text")
    await stage.rows(
        "UPDATE cognate_jobs SET status = ?1, attempts = CAST(?2 AS INTEGER) WHERE id = ?3",
        *(status, str(attempts), job_id),
    )
    return job_id


async def _end(stage: Stage, job_id: str, status: JobStatus, *, attempts: int, late: int) -> str:
    """End a job as a consumer does that read the record so many revisions ago."""
    revision = (await stage.state(ACME, "r1"))["revision"] - late
    record = {"organization": ACME, "scope": "claims", "record": "r1", "revision": revision}
    job = StartedJob(ACME, "claims", job_id, "test", 0, attempts)
    await stage.local.database.batch(
        end_statements([JobEnd(job, status, record)], stage.local.clock.now())
    )
    return await stage.status(job_id)


@pytest.mark.parametrize(
    ("before", "attempts", "end", "late", "after"),
    [
        ("running", 1, JobStatus.DONE, 0, "done"),
        # The record was written since: what was made of it is dropped.
        ("running", 1, JobStatus.DONE, 1, "superseded"),
        ("running", 1, JobStatus.FAILED, 0, "failed"),
        ("running", 1, JobStatus.QUEUED, 0, "queued"),
        ("running", 1, JobStatus.SUPERSEDED, 0, "superseded"),
        # An older try that failed ends no newer one; one that is done does.
        ("running", 2, JobStatus.FAILED, 0, "running"),
        ("running", 2, JobStatus.DONE, 0, "done"),
        # A dead letter has failed the job while its own try was at work.
        ("failed", 1, JobStatus.DONE, 0, "done"),
        ("failed", 2, JobStatus.DONE, 0, "failed"),
        # Nothing ends twice, and nothing ends that waits.
        ("done", 1, JobStatus.FAILED, 0, "done"),
        ("queued", 1, JobStatus.FAILED, 0, "queued"),
    ],
)
async def test_an_end_changes_the_status(
    before: str, attempts: int, end: JobStatus, late: int, after: str
) -> None:
    """Only of the try that it is of."""
    stage = Stage()
    job_id = await _job(stage, before, attempts=attempts)

    assert await _end(stage, job_id, end, attempts=1, late=late) == after


async def test_another_try_takes_no_place_in_the_window() -> None:
    """What is new does not wait for what fails."""
    stage = Stage()
    job_id = await _job(stage, "running")
    await _end(stage, job_id, JobStatus.QUEUED, attempts=1, late=0)

    assert (await stage.job(job_id))["announced"] == 2


async def test_another_try_gives_way_to_a_newer_job() -> None:
    """Of a record one job is queued at most."""
    stage = Stage()
    older = await _job(stage, "running")
    newer = await stage.write(ACME, "r1", "another text")

    assert await _end(stage, older, JobStatus.QUEUED, attempts=1, late=1) == "superseded"
    assert await stage.status(newer) == "queued"


@pytest.mark.parametrize(("status", "jobs"), [("queued", 1), ("running", 2), ("done", 2)])
async def test_a_repair_is_one_queued_job(status: str, jobs: int) -> None:
    """One that is queued already is forced instead."""
    stage = Stage()
    await _job(stage, status)
    row = {"organization": ACME, "scope": "claims", "record": "r1", "revision": 1}
    now = stage.local.clock.now()
    [announced] = await stage.local.database.batch(
        repair_statements([{**row, "job": "repair", "model": "m"}], now)
    )
    found = await stage.rows("SELECT id, forced FROM cognate_jobs WHERE forced")

    assert len(await stage.jobs()) == jobs
    assert [job["id"] for job in found] == [job["id"] for job in announced]


@pytest.mark.parametrize(
    ("status", "organization", "after"),
    [
        ("running", ACME, "failed"),
        ("queued", ACME, "queued"),
        ("done", ACME, "done"),
        ("running", GLOBEX, "running"),
    ],
)
async def test_a_dead_letter_fails_what_runs(status: str, organization: str, after: str) -> None:
    """In the organization that it names."""
    stage = Stage()
    job_id = await _job(stage, status)
    key = JobKey(organization, "claims", job_id)
    await stage.local.database.batch(fail_statements([key], stage.local.clock.now()))

    assert await stage.status(job_id) == after


async def test_organizations_with_waiting_jobs_are_named() -> None:
    """Those of the given jobs only."""
    stage = Stage()
    for organization in (ACME, GLOBEX):
        await _job(stage, "queued", organization=organization)
    await stage.rows("UPDATE cognate_jobs SET announced = 0")
    [rows] = await stage.local.database.batch([waiting_statement([JobKey(ACME, "claims", "any")])])

    assert [row["organization_id"] for row in rows] == [ACME]
