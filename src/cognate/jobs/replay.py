"""Retry failed jobs on request.

A retried job keeps its id and starts again. Its earlier tries may have written to the index, so it
is forced to write again. It embeds the text that was posted for its record, or the record's own
text if the record was written since.

A record has at most one queued job. If a job of the record is already queued or running, the failed
job becomes `superseded`. The record's older failed jobs become `superseded` too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.errors import JobNotFailed, NotFound
from cognate.jobs.failed import GIVEN, WITH_STATE, FailedJobs
from cognate.jobs.job import COLUMNS, Job, find_statement, job_of
from cognate.jobs.queue import NEVER_DUE, Priority, announce, release_statement
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Platform
    from cognate.principal import OrganizationId

PENDING: Final = "('queued', 'running')"

SAME_RECORD: Final = "o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id"


@dataclass(frozen=True)
class Replayed:
    """The result of `replay_jobs`.

    Attributes:
        retried: number of records whose jobs are retried.
        remaining: number of failed jobs that the same call would still find.
    """

    retried: int
    remaining: int


async def replay_job(platform: Platform, organization_id: OrganizationId, job_id: str) -> Job:
    """Retry one failed job.

    Returns:
        The job, or the job of the same record that is already queued or running.

    Raises:
        NotFound: the organization has no such job.
        JobNotFailed: it has not failed, or its record is not known.
        DatabaseError: nothing was changed.
    """
    [rows] = await platform.database.batch([find_statement(organization_id, job_id)])
    if not rows:
        raise NotFound("job", "There is no such embedding job in your organization.")
    now = platform.clock.now()
    key = (rows[0]["scope"], job_id)
    *_, taken, found, released = await platform.database.batch(
        [
            *replay_statements(organization_id, [key], Priority.WRITE, now),
            _standing_for(organization_id, *key),
            release_statement(organization_id, now),
        ]
    )
    await announce(platform, released)
    if not taken:
        raise JobNotFailed("Only a failed job of a record can be tried again; this one is not.")
    return job_of(found[0])


async def replay_jobs(
    platform: Platform,
    organization_id: OrganizationId,
    *,
    scope: str | None = None,
    code: str | None = None,
) -> Replayed:
    """Retry the organization's failed jobs, the oldest first and at most 1,000.

    Their priority is that of a backfill, so jobs of new writes go first.

    Raises:
        DatabaseError: nothing was changed.
    """
    failed = FailedJobs(organization_id, scope, code, with_state=True)
    [rows] = await platform.database.batch([failed.oldest_statement()])
    if not rows:
        return Replayed(0, 0)
    now = platform.clock.now()
    # The newest job of each record. The rows are in the order in which the jobs were made.
    newest = {(row["scope"], row["record_id"]): (row["scope"], row["id"]) for row in rows}
    *_, taken, [left], released = await platform.database.batch(
        [
            *replay_statements(organization_id, list(newest.values()), Priority.BACKFILL, now),
            failed.count_statement(),
            release_statement(organization_id, now),
        ]
    )
    await announce(platform, released)
    return Replayed(len(taken), left["jobs"])


def replay_statements(
    organization_id: OrganizationId,
    keys: Sequence[tuple[str, str]],
    priority: Priority,
    now: datetime,
) -> list[Statement]:
    """Queue failed jobs again, one for each record.

    Args:
        organization_id: the owner of the jobs.
        keys: (scope, id) of each job.
        priority: the order within the organization.
        now: the time.

    Returns:
        Statements. The last one returns the id of each job that was still failed.
    """
    # The plus makes SQLite find the jobs by their keys. Otherwise it reads all failed jobs.
    replayable = f"{GIVEN} AND +f.status = 'failed' AND {WITH_STATE}"
    chosen = f"FROM cognate_jobs f WHERE {replayable}"
    # A queued job does as much as the failed one, after the first two statements. A running one may
    # do less.
    another = (
        "EXISTS (SELECT 1 FROM cognate_jobs o INDEXED BY cognate_jobs_by_record "  # noqa: S608 - constants
        f"WHERE {SAME_RECORD} "
        "AND (+o.status = 'queued' OR +o.status = 'running' AND o.embeds >= f.embeds))"
    )
    scope = (organization_id, json.dumps(keys))
    moment = to_iso(now)
    return [
        # A newer job that only indexes metadata must embed too if it replaces a job that embeds.
        Statement(
            "UPDATE cognate_jobs AS f SET embeds = 1 "  # noqa: S608 - constants
            f"WHERE {replayable} AND NOT f.embeds AND EXISTS (SELECT 1 "
            "FROM cognate_jobs o INDEXED BY cognate_jobs_by_record "
            f"WHERE {SAME_RECORD} AND +o.status = 'failed' AND o.embeds)",
            scope,
        ),
        # The failed tries may have written to the index.
        Statement(
            "UPDATE cognate_jobs INDEXED BY cognate_jobs_by_record SET forced = 1, "  # noqa: S608 - constants
            f"embeds = MAX(embeds, EXISTS (SELECT 1 {chosen} AND f.embeds "
            "AND f.scope = cognate_jobs.scope AND f.record_id = cognate_jobs.record_id)) "
            "WHERE organization_id = ?1 AND +status = 'queued' "
            f"AND (scope, record_id) IN (SELECT f.scope, f.record_id {chosen})",
            scope,
        ),
        Statement(
            "UPDATE cognate_jobs AS o INDEXED BY cognate_jobs_by_record "  # noqa: S608 - constants
            "SET status = 'superseded', updated_at = ?3 "
            f"FROM (SELECT f.id, f.scope, f.record_id {chosen}) f "
            f"WHERE {SAME_RECORD} AND +o.status = 'failed' AND o.id <> f.id "
            "AND o.id < f.id",
            (*scope, moment),
        ),
        Statement(
            "UPDATE cognate_jobs AS f SET "  # noqa: S608 - constants
            f"status = CASE WHEN {another} THEN 'superseded' ELSE 'queued' END, "
            f"completed_at = CASE WHEN {another} THEN f.completed_at END, "
            "attempts = 0, charges = 0, error_code = NULL, error_message = NULL, forced = 1, "
            "announced = 0, priority = ?3, due_at = ?4, updated_at = ?5 "
            f"WHERE {replayable} RETURNING id",
            (*scope, int(priority), NEVER_DUE, moment),
        ),
    ]


def _standing_for(organization_id: OrganizationId, scope: str, job_id: str) -> Statement:
    """Return a job. The open jobs of the same record come before it."""
    return Statement(
        f"SELECT {COLUMNS} FROM cognate_jobs WHERE (organization_id, scope, id) IN ("  # noqa: S608 - constants
        "SELECT o.organization_id, o.scope, o.id FROM cognate_jobs f "
        f"CROSS JOIN cognate_jobs o INDEXED BY cognate_jobs_by_record ON {SAME_RECORD} "
        "WHERE f.organization_id = ?1 AND f.scope = ?2 AND f.id = ?3 "
        f"AND (o.id = f.id OR +o.status IN {PENDING})) "
        f"ORDER BY status IN {PENDING} DESC, status",
        (organization_id, scope, job_id),
    )
