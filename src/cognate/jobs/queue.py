"""Queue jobs, and let each organization's jobs into the queue in turn.

Fairness. A queue has no order of its own, so Cognate rations what it puts in. Of each organization
at most `WINDOW` jobs that nobody has started have their message in the queue. The others wait in
D1. They are announced as earlier ones finish: first those that somebody waits for, then those of a
backfill. So an organization that imports a hundred thousand records is never ahead of another's
next record by more than `WINDOW` messages. A job that waits for another try takes no place in the
window, so an outage does not hold up what is new. Overdue messages may be lost, so they take a part
of the places only.

Every statement works on sets: a hundred records cost as many D1 calls as one.
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
"""Jobs of one organization whose message is in the queue and that nobody has started."""

OVERDUE_PLACES: Final = 400
"""Of the window, how many places can be taken by jobs whose message is overdue. The others are for
new jobs, because a message that is overdue may be lost."""

DELIVERY_PATIENCE: Final = timedelta(minutes=1)
"""How long an announced job may wait for its message before the sweeper sends another. Cloudflare
delivers in seconds; a second message does no harm."""

NEVER_DUE: Final = "9999"
"""Sorts after every time: what is not announced is not overdue."""


class Priority(IntEnum):
    """Who waits for a job; lower goes first within an organization."""

    WRITE = 0
    BACKFILL = 1


@dataclass(frozen=True)
class NewJob:
    """A job to queue.

    Attributes:
        embeds: False where only the record's metadata changed: its text is not embedded again.
    """

    id: str
    record_id: str
    embeds: bool = True


PLACES: Final = (
    # Places of the window that are free. Named indexes: SQLite would else walk over every open job.
    "MAX(0, {window} - (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs "
    "INDEXED BY cognate_jobs_open WHERE organization_id = ?1 AND announced = 1 "
    "AND completed_at IS NULL AND attempts = 0 AND due_at > {now} LIMIT {window})) "
    "- (SELECT COUNT(*) FROM (SELECT 1 FROM cognate_jobs "
    "INDEXED BY cognate_jobs_open WHERE organization_id = ?1 AND announced = 1 "
    "AND completed_at IS NULL AND attempts = 0 AND due_at <= {now} LIMIT {overdue})))"
)
"""An SQL expression over organization ?1; `now`, `window` and `overdue` name parameters."""


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
    """Queue a job for each record. A queued job of the same record takes its place.

    That one has not been started, so it embeds what the record says when its turn comes. A new job
    that finds a place in the window counts as announced.

    Args:
        collection: of the records.
        organization_id: whose they are.
        jobs: one a record.
        source: who asks, for the job's row.
        now: the time.
        condition: the condition on which a job is queued.
        priority: who waits.
        forced: whether the index is written even where nothing changed.
        token: see `condition`.

    Returns:
        A statement that returns (id, organization_id, scope, record_id, announced) of the jobs that
        are queued.
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
    places = PLACES.format(window="?9", now="?8", overdue="?10")
    return Statement(
        "INSERT INTO cognate_jobs (organization_id, scope, record_id, id, model, "  # noqa: S608 - a condition of ours
        "embeds, source, priority, status, announced, due_at, created_at, updated_at, forced) "
        "SELECT ?1, ?2, record_id, id, ?4, embeds, ?5, ?6, 'queued', "
        "number <= places, CASE WHEN number <= places THEN ?11 ELSE ?7 END, ?8, ?8, ?12 "
        "FROM (SELECT value ->> 'record' AS record_id, "
        "ROW_NUMBER() OVER (ORDER BY json_each.key) AS number, "
        # Nobody overtakes those that wait already.
        "CASE WHEN EXISTS (SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_waiting "
        "WHERE organization_id = ?1 AND completed_at IS NULL AND announced = 0) THEN 0 "
        f"ELSE {places} END AS places, "
        "COALESCE((SELECT q.id FROM cognate_jobs q INDEXED BY cognate_jobs_by_record "
        "WHERE q.organization_id = ?1 "
        "AND q.scope = ?2 AND q.record_id = value ->> 'record' AND +q.status = 'queued'), "
        "value ->> 'job') AS id, "
        # What is running is of an older revision now, so its vectors will be dropped: whoever comes
        # next has to embed in its place.
        "CASE WHEN value ->> 'embeds' THEN 1 ELSE EXISTS (SELECT 1 FROM cognate_jobs r "
        "INDEXED BY cognate_jobs_by_record "
        "WHERE r.organization_id = ?1 AND r.scope = ?2 AND r.record_id = value ->> 'record' "
        "AND +r.status = 'running' AND r.embeds) END AS embeds "
        f"FROM json_each(?3) WHERE {condition.sql(collection)}) WHERE TRUE "
        "ON CONFLICT (organization_id, scope, id) DO UPDATE SET "
        "embeds = MAX(embeds, excluded.embeds), "
        "priority = MIN(priority, excluded.priority), updated_at = excluded.updated_at, "
        # One that waits for another try is let out at once: its record has changed.
        "announced = CASE WHEN attempts > 0 THEN 0 ELSE announced END, "
        # And what its earlier tries left in the index is not known.
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
    """Let out as many waiting jobs of an organization as its window has room for.

    Returns:
        A statement that returns (id, organization_id, scope) of the jobs that are let out.
    """
    places = PLACES.format(window="?2", now="?4", overdue="?5")
    return Statement(
        "UPDATE cognate_jobs SET announced = 1, due_at = ?3 "  # noqa: S608 - constants
        "WHERE (organization_id, scope, id) IN ("
        # Named, because SQLite would else walk over every open job of the organization.
        "SELECT organization_id, scope, id FROM cognate_jobs INDEXED BY cognate_jobs_waiting "
        "WHERE organization_id = ?1 AND completed_at IS NULL AND announced = 0 "
        "ORDER BY priority, id LIMIT CASE WHEN EXISTS (SELECT 1 FROM cognate_jobs "
        "INDEXED BY cognate_jobs_waiting WHERE organization_id = ?1 AND completed_at IS NULL "
        f"AND announced = 0) THEN {places} ELSE 0 END) RETURNING id, organization_id, scope",
        (organization_id, WINDOW, to_iso(now + DELIVERY_PATIENCE), to_iso(now), OVERDUE_PLACES),
    )


async def announce(platform: Platform, jobs: Sequence[Row]) -> None:
    """Send the messages of announced jobs: rows of (id, organization_id, scope).

    The jobs are in D1 already. A queue that takes no message is an event, not an error: the sweeper
    sends them when they are due.
    """
    if not jobs:
        return
    messages = [reference(job["organization_id"], job["scope"], job["id"]) for job in jobs]
    try:
        await platform.queue.send(messages)
    except QueueError as error:
        emit("queue.send_failed", jobs=len(jobs), error=error.code)
