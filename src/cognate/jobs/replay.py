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
from cognate.jobs.failed import FailedJobs
from cognate.jobs.job import Job, find_statement, job_of
from cognate.jobs.queue import NEVER_DUE, Priority, announce, release_statement
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Platform
    from cognate.principal import OrganizationId


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
    scope = (organization_id, json.dumps(keys))
    moment = to_iso(now)
    return [
        Statement(_EMBED_TOO, scope),
        Statement(_FORCE_QUEUED, scope),
        Statement(_SUPERSEDE_OLDER, (*scope, moment)),
        Statement(_REPLAY, (*scope, int(priority), NEVER_DUE, moment)),
    ]


# In these statements the plus makes SQLite find the jobs by their keys. Otherwise it reads all
# failed jobs.

# A newer job that only indexes metadata must embed too if it replaces a job that embeds.
_EMBED_TOO: Final = """
UPDATE cognate_jobs AS f SET embeds = 1
WHERE f.organization_id = ?1
  AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
  AND +f.status = 'failed' AND EXISTS (
    SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id
      AND s.scope = f.scope AND s.record_id = f.record_id)
  AND NOT f.embeds AND EXISTS (
    SELECT 1 FROM cognate_jobs o INDEXED BY cognate_jobs_by_record
    WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id
      AND +o.status = 'failed' AND o.embeds)
"""

# The failed tries may have written to the index.
_FORCE_QUEUED: Final = """
UPDATE cognate_jobs INDEXED BY cognate_jobs_by_record SET
  forced = 1,
  embeds = MAX(embeds, EXISTS (
    SELECT 1 FROM cognate_jobs f
    WHERE f.organization_id = ?1
      AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
      AND +f.status = 'failed' AND EXISTS (
        SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id
          AND s.scope = f.scope AND s.record_id = f.record_id)
      AND f.embeds AND f.scope = cognate_jobs.scope AND f.record_id = cognate_jobs.record_id))
WHERE organization_id = ?1 AND +status = 'queued' AND (scope, record_id) IN (
  SELECT f.scope, f.record_id FROM cognate_jobs f
  WHERE f.organization_id = ?1
    AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
    AND +f.status = 'failed' AND EXISTS (
      SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id
        AND s.scope = f.scope AND s.record_id = f.record_id))
"""

_SUPERSEDE_OLDER: Final = """
UPDATE cognate_jobs AS o INDEXED BY cognate_jobs_by_record
SET status = 'superseded', updated_at = ?3
FROM (
  SELECT f.id, f.scope, f.record_id FROM cognate_jobs f
  WHERE f.organization_id = ?1
    AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
    AND +f.status = 'failed' AND EXISTS (
      SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id
        AND s.scope = f.scope AND s.record_id = f.record_id)) f
WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id
  AND +o.status = 'failed' AND o.id <> f.id AND o.id < f.id
"""

# Another job of the record takes the place of a failed one. A queued job does as much as the failed
# one, after the first two statements. A running one may do less.
_REPLAY: Final = """
UPDATE cognate_jobs AS f SET
  status = CASE WHEN EXISTS (
      SELECT 1 FROM cognate_jobs o INDEXED BY cognate_jobs_by_record
      WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id
        AND (+o.status = 'queued' OR +o.status = 'running' AND o.embeds >= f.embeds))
    THEN 'superseded' ELSE 'queued' END,
  completed_at = CASE WHEN EXISTS (
      SELECT 1 FROM cognate_jobs o INDEXED BY cognate_jobs_by_record
      WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id
        AND (+o.status = 'queued' OR +o.status = 'running' AND o.embeds >= f.embeds))
    THEN f.completed_at END,
  attempts = 0, charges = 0, error_code = NULL, error_message = NULL, forced = 1, announced = 0,
  priority = ?3, due_at = ?4, updated_at = ?5
WHERE f.organization_id = ?1
  AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
  AND +f.status = 'failed' AND EXISTS (
    SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id
      AND s.scope = f.scope AND s.record_id = f.record_id)
RETURNING id
"""


def _standing_for(organization_id: OrganizationId, scope: str, job_id: str) -> Statement:
    """Return a job. The open jobs of the same record come before it."""
    return Statement(_STANDING_FOR, (organization_id, scope, job_id))


_STANDING_FOR: Final = """
SELECT id, status, scope, record_id, model, attempts, error_code, error_message, created_at,
  updated_at, completed_at
FROM cognate_jobs WHERE (organization_id, scope, id) IN (
  SELECT o.organization_id, o.scope, o.id
  FROM cognate_jobs f CROSS JOIN cognate_jobs o INDEXED BY cognate_jobs_by_record
    ON o.organization_id = ?1 AND o.scope = f.scope AND o.record_id IS f.record_id
  WHERE f.organization_id = ?1 AND f.scope = ?2 AND f.id = ?3
    AND (o.id = f.id OR +o.status IN ('queued', 'running')))
ORDER BY status IN ('queued', 'running') DESC, status
"""
