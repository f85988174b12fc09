"""Dismiss failed jobs on request.

A dismissed job is final: it is never tried again, and it is removed after the retention time. In
the coverage, its record counts as if the job did not exist: as missing, stale or embedded.

The posted text of a dismissed job is given up. A text without a table is deleted if it was never
embedded, because nothing else refers to it. A text for a record is no longer embedded instead of
the record's own text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from cognate.embedding.revisions import give_up_posted_statement
from cognate.errors import JobNotFailed
from cognate.jobs.conditions import RecordIs
from cognate.jobs.failed import FailedJobs, dismiss_statement
from cognate.jobs.job import JobStatus, find_statement
from cognate.jobs.queue import announce
from cognate.schema.collections import POSTED_TEXTS, TEXTS_PREFIX
from cognate.texts.posted import TextDeletion, find_job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.job import Job
    from cognate.ports import Platform, Row, Statement
    from cognate.principal import OrganizationId


@dataclass(frozen=True)
class Dismissed:
    """The result of `dismiss_jobs`.

    Attributes:
        dismissed: number of jobs that this call dismissed.
        remaining: number of failed jobs that the same call would still find.
    """

    dismissed: int
    remaining: int


async def dismiss_job(platform: Platform, organization_id: OrganizationId, job_id: str) -> Job:
    """Dismiss one failed job. A job that is already dismissed stays as it is.

    Raises:
        NotFound: the organization has no such job.
        JobNotFailed: it has not failed.
        DatabaseError: nothing was changed.
    """
    [rows] = await platform.database.batch([find_statement(organization_id, job_id)])
    if rows and rows[0]["status"] == JobStatus.FAILED:
        await _dismiss(platform, organization_id, rows)
    job = await find_job(platform.database, organization_id, job_id)
    if job.status is not JobStatus.DISMISSED:
        raise JobNotFailed("Only a failed job can be dismissed; this one has not failed.")
    return job


async def dismiss_jobs(
    platform: Platform,
    organization_id: OrganizationId,
    *,
    scope: str | None = None,
    code: str | None = None,
) -> Dismissed:
    """Dismiss the organization's failed jobs, the oldest first and at most 1,000.

    Raises:
        DatabaseError: nothing was changed.
    """
    failed = FailedJobs(organization_id, scope, code)
    [rows] = await platform.database.batch([failed.oldest_statement()])
    if not rows:
        return Dismissed(0, 0)
    dismissed, [left] = await _dismiss(platform, organization_id, rows, failed.count_statement())
    return Dismissed(len(dismissed), left["jobs"])


async def _dismiss(
    platform: Platform,
    organization_id: OrganizationId,
    rows: Sequence[Row],
    *afterwards: Statement,
) -> list[list[Row]]:
    """Dismiss jobs, then run more statements in the same batch.

    Returns:
        The rows of the jobs that were still failed, then the rows of each further statement.
    """
    now = platform.clock.now()
    keys = [(row["scope"], row["id"]) for row in rows]
    deletion = _abandoned(organization_id, rows, now)
    size = len(deletion.statements)
    _, dismissed, *others = await platform.database.batch(
        [
            give_up_posted_statement(organization_id, keys),
            dismiss_statement(organization_id, keys, now),
            *deletion.statements,
            *afterwards,
        ]
    )
    await announce(platform, deletion.announced(others[:size]))
    return [dismissed, *others[size:]]


def _abandoned(organization_id: OrganizationId, rows: Sequence[Row], now: datetime) -> TextDeletion:
    """Delete the texts of these jobs that were never embedded and that no other job will embed."""
    texts = sorted(
        (row["scope"].removeprefix(TEXTS_PREFIX), row["record_id"])
        for row in rows
        if row["scope"].startswith(TEXTS_PREFIX)
    )
    deletion = TextDeletion(organization_id, now)
    for model, group in groupby(texts, key=lambda text: text[0]):
        if model in POSTED_TEXTS:
            deletion.add(model, sorted({text for _, text in group}), RecordIs.ABANDONED)
    return deletion
