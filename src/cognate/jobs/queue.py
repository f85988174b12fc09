"""Queue jobs for records, and let each organization's jobs out in turn.

The one place that writes jobs to be run. Every statement here is set-based, so a hundred records
cost as many D1 calls as one.

Fairness. The queue has no order of its own, so what is put into it is rationed: of each
organization at most `WINDOW` jobs that nobody has started yet have their message in the queue. The
others wait in D1, and are announced as earlier ones finish, those that somebody waits for before
those of a backfill. A hundred thousand records imported by one organization are therefore never
ahead of another's next record by more than `WINDOW` messages. Jobs that wait for another try do not
count, so an outage does not hold up what is new. Messages that are overdue count in part, and those
that were sent again not at all, so a window of lost messages does not hold it up either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from cognate.errors import QueueError
from cognate.events import emit
from cognate.ids import new_id, vector_key
from cognate.jobs.messages import reference
from cognate.ports import Statement
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Platform, Row
    from cognate.schema.collections import Collection

JOB_PREFIX: Final = "job"

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
class Wanted:
    """A record to embed or index again.

    Attributes:
        posted_text: a text to embed in place of what the record says, until it is next written.
        embeds: False where only its metadata changed: the text is not embedded again.
        is_written: whether the record's text was written: then a text that was posted for it
            earlier no longer counts.
    """

    record_id: str
    posted_text: str | None = None
    embeds: bool = True
    is_written: bool = True


def queue_statements(  # noqa: PLR0913 - each is a column
    collection: Collection,
    organization_id: str,
    wanted: Sequence[Wanted],
    *,
    source: str,
    now: datetime,
    condition: str,
    priority: Priority = Priority.WRITE,
    job_ids: Sequence[str] = (),
    forced: bool = False,
    token: str = "",
) -> list[Statement]:
    """Raise the revisions of records and queue a job for each.

    A job of the same record that has not been started yet serves both: it embeds what the record
    says when its turn comes.

    Args:
        collection: of the records.
        organization_id: whose they are.
        wanted: the records, each once.
        source: who asks, for the job's row.
        now: the time.
        condition: an SQL condition on `value ->> 'record'` and `value ->> 'token'`, and on ?1
            (organization) and ?2 (scope): only where it holds, a job is queued.
        priority: who waits.
        job_ids: ids for the jobs, as many as there are records; new ones where there are none.
        forced: whether the index is written even where nothing changed.
        token: for the condition: by it one batch can ask what an earlier statement of it did.

    Returns:
        Two statements; the second returns (id, record_id) of the jobs that are queued.
    """
    ids = job_ids or [new_id(JOB_PREFIX, now) for _ in wanted]
    payload = json.dumps(
        [
            {
                "record": item.record_id,
                "key": vector_key(organization_id, collection.scope, item.record_id),
                "job": job_id,
                "posted": item.posted_text,
                "keeps": int(not item.is_written),
                "embeds": int(item.embeds),
                "token": token,
            }
            for item, job_id in zip(wanted, ids, strict=True)
        ],
        ensure_ascii=False,  # a hundred posted texts stay below what D1 takes for one value
    )
    scope = (organization_id, collection.scope, payload)
    other_text = "excluded.posted_text IS NOT cognate_embeddings.posted_text"
    return [
        Statement(
            "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "  # noqa: S608 - a condition of ours
            "revision, index_bindings, posted_text) "
            "SELECT ?1, ?2, value ->> 'record', value ->> 'key', ?4, json_array(?5), "
            "CASE WHEN value ->> 'keeps' THEN (SELECT p.posted_text FROM cognate_embeddings p "
            # The key of a record's vectors has its organization in it.
            "WHERE p.vector_key = value ->> 'key') "
            f"ELSE value ->> 'posted' END FROM json_each(?3) WHERE {condition} "
            "ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET "
            "revision = revision + 1, posted_text = excluded.posted_text, record_gone = 0, "
            # The table's trigger counts no text that is posted.
            f"changes = changes + ({other_text}), "
            # The index names the record as it was: until a job has written it, D1 is compared.
            f"index_hash = CASE WHEN changes = changes_seen AND NOT ({other_text}) "
            "THEN index_hash END",
            (*scope, to_milliseconds(now), collection.model.index_binding),
        ),
        Statement(
            "INSERT INTO cognate_jobs (organization_id, scope, record_id, id, model, "  # noqa: S608 - a condition of ours
            "embeds, source, priority, status, due_at, created_at, updated_at, forced) "
            "SELECT ?1, ?2, value ->> 'record', value ->> 'job', ?4, "
            # What is running is of an older revision now, so its vectors will be dropped: whoever
            # comes next has to embed in its place.
            "CASE WHEN value ->> 'embeds' THEN 1 ELSE EXISTS (SELECT 1 FROM cognate_jobs r "
            "WHERE r.organization_id = ?1 AND r.scope = ?2 AND r.record_id = value ->> 'record' "
            "AND +r.status = 'running' AND r.embeds) END, "
            "?5, ?6, 'queued', ?7, ?8, ?8, ?9 FROM json_each(?3) "
            f"WHERE {condition} "
            "ON CONFLICT (organization_id, scope, record_id) WHERE status = 'queued' DO UPDATE SET "
            "embeds = MAX(embeds, excluded.embeds), "
            "priority = MIN(priority, excluded.priority), updated_at = excluded.updated_at, "
            # One that waits for another try is let out at once: its record has changed.
            "announced = CASE WHEN attempts > 0 THEN 0 ELSE announced END, "
            # And what its earlier tries left in the index is not known.
            "forced = MAX(forced, excluded.forced, attempts > 0), attempts = 0, charges = 0, "
            "error_code = NULL, error_message = NULL "
            "RETURNING id, record_id",
            (
                *scope,
                collection.model.name,
                source,
                int(priority),
                NEVER_DUE,
                to_iso(now),
                int(forced),
            ),
        ),
    ]


def release_statement(organization_id: str, now: datetime) -> Statement:
    """Let out as many jobs of an organization as its window has room for.

    Returns:
        A statement that returns (id, scope) of the jobs whose messages are to be sent now.
    """
    in_queue = (
        "SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_announced "
        "WHERE organization_id = ?1 AND status = 'queued' AND announced = 1 AND attempts = 0"
    )
    return Statement(
        "UPDATE cognate_jobs SET announced = 1, due_at = ?3 WHERE id IN ("  # noqa: S608 - constants
        # Named, because SQLite would else walk over every queued job of the organization.
        "SELECT id FROM cognate_jobs INDEXED BY cognate_jobs_waiting WHERE organization_id = ?1 "
        "AND status = 'queued' AND announced = 0 ORDER BY priority, id LIMIT MAX(0, ?2 "
        f"- (SELECT COUNT(*) FROM ({in_queue} AND due_at > ?4 LIMIT ?2)) "
        f"- (SELECT COUNT(*) FROM ({in_queue} AND due_at <= ?4 LIMIT ?5)))) "
        "RETURNING id, scope",
        (organization_id, WINDOW, to_iso(now + DELIVERY_PATIENCE), to_iso(now), OVERDUE_PLACES),
    )


async def announce(platform: Platform, released: Sequence[Row]) -> None:
    """Send the messages of released jobs: rows of (id, scope).

    The jobs are in D1 already, so a queue that does not take them is an event, not an error: the
    sweeper sends them when they are due.
    """
    if not released:
        return
    try:
        await platform.queue.send([reference(row["id"], row["scope"]) for row in released])
    except QueueError as error:
        emit("queue.send_failed", jobs=len(released), error=error.code)
