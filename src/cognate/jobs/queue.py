"""Queue jobs, and limit how many messages each organization has in the queue.

Fairness. Each organization has a window: at most `WINDOW` of its jobs that have not started have a
message in the queue. Its other jobs wait in D1. They are announced as earlier ones finish, jobs of
writes before jobs of backfills. So an organization that imports a hundred thousand records is ahead
of another's next record by at most `WINDOW` messages. A job that waits for another try takes no
place in the window, so an outage does not hold up new jobs. A message that is overdue may be lost.
Overdue messages can take only a part of the window, so new jobs always have places.

Every statement works on a set of jobs: a hundred records cost as many D1 calls as one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from cognate.errors import QueueError
from cognate.events import emit
from cognate.jobs.messages import reference
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.conditions import JobCondition
    from cognate.ports import Platform, Row
    from cognate.schema.collections import Collection

WINDOW: Final = 500
"""Most jobs of one organization that have a message in the queue and have not started."""

OVERDUE_PLACES: Final = 400
"""Places of the window that jobs with an overdue message can take. The other places are for new
jobs, because an overdue message may be lost."""

DELIVERY_PATIENCE: Final = timedelta(minutes=1)
"""Time after which the sweeper sends the message of an announced job again. Cloudflare delivers
within seconds. A second message does no harm."""

NEVER_DUE: Final = "9999"
"""A time after all others. A job that was not announced is never overdue."""


class Priority(IntEnum):
    """The order of jobs within an organization. The lower number goes first."""

    WRITE = 0
    BACKFILL = 1


@dataclass(frozen=True)
class NewJob:
    """A job to queue.

    Attributes:
        embeds: False if only the record's metadata changed. Its text is not embedded again then.
    """

    id: str
    record_id: str
    embeds: bool = True


def queue_statement(  # noqa: PLR0913 - each is a column
    collection: Collection,
    organization_id: str,
    jobs: Sequence[NewJob],
    *,
    source: str,
    now: datetime,
    condition: JobCondition,
    priority: Priority = Priority.WRITE,
    forced: bool = False,
    token: str = "",
) -> Statement:
    """Queue a job for each record, unless a job of the record is already queued.

    The job that is already queued reads the record when it starts, so it embeds the newest text. A
    new job is announced if the window has a place for it.

    Args:
        collection: the collection of the records.
        organization_id: the owner of the records.
        jobs: at most one for each record.
        source: who asked for the job: `api`, `backfill` and so on.
        now: the time.
        condition: the condition on which a job is queued.
        priority: the order within the organization.
        forced: whether the index is written even if nothing changed.
        token: the token that `condition` compares.

    Returns:
        A statement that returns (id, organization_id, scope, record_id, announced) of the queued
        jobs.
    """
    payload = json.dumps(
        [
            {
                "record": job.record_id,
                "job": job.id,
                "embeds": int(job.embeds),
                "token": token,
            }
            for job in jobs
        ]
    )
    return Statement(
        "INSERT INTO cognate_jobs (organization_id, scope, record_id, id, model, "  # noqa: S608 - a condition of ours
        "embeds, source, priority, status, announced, due_at, created_at, updated_at, forced) "
        "SELECT ?1, ?2, record_id, id, ?4, embeds, ?5, ?6, 'queued', "
        "number <= places, CASE WHEN number <= places THEN ?11 ELSE ?7 END, ?8, ?8, ?12 "
        "FROM (SELECT value ->> 'record' AS record_id, "
        "ROW_NUMBER() OVER (ORDER BY json_each.key) AS number, "
        # A new job does not overtake jobs that already wait.
        "CASE WHEN EXISTS (SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_waiting "
        "WHERE organization_id = ?1 AND completed_at IS NULL AND announced = 0) THEN 0 "
        # The free places of the window. Without the index's name SQLite would read every open job.
        "ELSE MAX(0, ?9 - (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs "
        "INDEXED BY cognate_jobs_open WHERE organization_id = ?1 AND announced = 1 "
        "AND completed_at IS NULL AND attempts = 0 AND due_at > ?8 LIMIT ?9)) "
        "- (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs "
        "INDEXED BY cognate_jobs_open WHERE organization_id = ?1 AND announced = 1 "
        "AND completed_at IS NULL AND attempts = 0 AND due_at <= ?8 LIMIT ?10))) END AS places, "
        "COALESCE((SELECT q.id FROM cognate_jobs q INDEXED BY cognate_jobs_by_record "
        "WHERE q.organization_id = ?1 "
        "AND q.scope = ?2 AND q.record_id = value ->> 'record' AND +q.status = 'queued'), "
        "value ->> 'job') AS id, "
        # The result of a running job will be dropped, because the record has a newer revision. If
        # that job embeds the text, this one must do it too.
        "CASE WHEN value ->> 'embeds' THEN 1 ELSE EXISTS (SELECT 1 FROM cognate_jobs r "
        "INDEXED BY cognate_jobs_by_record "
        "WHERE r.organization_id = ?1 AND r.scope = ?2 AND r.record_id = value ->> 'record' "
        "AND +r.status = 'running' AND r.embeds) END AS embeds "
        f"FROM json_each(?3) WHERE {condition.sql(collection)}) WHERE TRUE "
        "ON CONFLICT (organization_id, scope, id) DO UPDATE SET "
        "embeds = MAX(embeds, excluded.embeds), "
        "priority = MIN(priority, excluded.priority), updated_at = excluded.updated_at, "
        # A job that waits for another try goes back to the window, because its record has changed.
        "announced = CASE WHEN attempts > 0 THEN 0 ELSE announced END, "
        # Its earlier tries may have written to the index, so it must write again.
        "forced = MAX(forced, excluded.forced, attempts > 0), attempts = 0, charges = 0, "
        "error_code = NULL, error_message = NULL "
        "RETURNING id, organization_id, scope, record_id, announced",
        (
            organization_id,
            collection.scope,
            payload,
            collection.model.name,
            source,
            int(priority),
            NEVER_DUE,
            to_iso(now),
            WINDOW,
            OVERDUE_PLACES,
            to_iso(now + DELIVERY_PATIENCE),
            int(forced),
        ),
    )


def release_statement(organization_id: str, now: datetime) -> Statement:
    """Announce as many waiting jobs of an organization as its window has free places.

    Returns:
        A statement that returns (id, organization_id, scope) of the announced jobs.
    """
    due_at = to_iso(now + DELIVERY_PATIENCE)
    return Statement(_RELEASE, (organization_id, WINDOW, due_at, to_iso(now), OVERDUE_PLACES))


# Without the names of the indexes SQLite would read every open job of the organization.
_RELEASE: Final = """
UPDATE cognate_jobs SET announced = 1, due_at = ?3
WHERE (organization_id, scope, id) IN (
  SELECT organization_id, scope, id FROM cognate_jobs INDEXED BY cognate_jobs_waiting
  WHERE organization_id = ?1 AND completed_at IS NULL AND announced = 0
  ORDER BY priority, id LIMIT CASE
    WHEN EXISTS (SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_waiting
      WHERE organization_id = ?1 AND completed_at IS NULL AND announced = 0)
    -- The free places of the window.
    THEN MAX(0, ?2
      - (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_open
        WHERE organization_id = ?1 AND announced = 1 AND completed_at IS NULL AND attempts = 0
          AND due_at > ?4 LIMIT ?2))
      - (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_open
        WHERE organization_id = ?1 AND announced = 1 AND completed_at IS NULL AND attempts = 0
          AND due_at <= ?4 LIMIT ?5)))
    ELSE 0 END)
RETURNING id, organization_id, scope
"""


async def announce(platform: Platform, jobs: Sequence[Row]) -> None:
    """Send the messages of announced jobs, which are rows of (id, organization_id, scope).

    The jobs are already in D1. If the queue does not accept a message, this logs an event and
    raises no error: the sweeper sends the message again when it is due.
    """
    if not jobs:
        return
    messages = [reference(job["organization_id"], job["scope"], job["id"]) for job in jobs]
    try:
        await platform.queue.send(messages)
    except QueueError as error:
        emit("queue.send_failed", jobs=len(jobs), error=error.code)
