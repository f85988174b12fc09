"""The last D1 call of a batch: keep what was made, and say what became of each job.

Everything is fenced by the record's revision. What was made of an older text is dropped; and
because it may have reached the index after the newer one's vectors did, a repair is queued that
writes the newer ones again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.embedding.keep import keep_records
from cognate.embedding.states import CURRENT_STATE, revision_of
from cognate.ids import new_id
from cognate.jobs.job import JobStatus
from cognate.jobs.queue import DELIVERY_PATIENCE, JOB_PREFIX, release_statement
from cognate.ports import Row, Statement
from cognate.sql import json_groups
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.embedding.index import Indexed
    from cognate.embedding.index_progress import Mutation
    from cognate.embedding.outcomes import JobOutcome
    from cognate.ports import Database


@dataclass(frozen=True)
class Finished:
    """What the last call answered.

    Attributes:
        statuses: job id to the status it has now.
        repairs: number of jobs queued because an older result may be in the index.
        released: rows of (id, scope), of jobs whose messages are to be sent now.
    """

    statuses: dict[str, JobStatus]
    repairs: int
    released: list[Row]


async def finish(
    database: Database,
    outcomes: Sequence[JobOutcome],
    waiting: Sequence[str],
    now: datetime,
    mutations: Sequence[Mutation] = (),
) -> Finished:
    """Store vectors, hashes and job statuses, and let out the next jobs, in one transaction.

    Args:
        database: D1.
        outcomes: of every job that was started.
        waiting: organizations that may have jobs which are not announced yet.
        now: the time, after the last call of an index.
        mutations: that the indexes have accepted for these jobs.

    Raises:
        DatabaseError: nothing was stored; the jobs are still running and their messages must be
            delivered again.
    """
    indexed = list({id(item.indexed): item.indexed for item in outcomes if item.indexed}.values())
    late = [item for item in indexed if item.may_have_written]
    statements = _store_statuses(outcomes, to_iso(now))
    after_statuses = len(statements)
    statements += keep_records(indexed, mutations, now)
    first_repair = len(statements)
    statements += _queue_repairs(late, now)
    first_release = len(statements)
    statements += [release_statement(organization, now) for organization in waiting]
    answers = await database.batch(statements)
    return Finished(
        statuses={
            row["id"]: JobStatus(row["status"]) for rows in answers[:after_statuses] for row in rows
        },
        repairs=sum(len(rows) for rows in answers[first_repair:first_release]),
        released=[row for rows in answers[first_repair:] for row in rows],
    )


def _store_statuses(outcomes: Sequence[JobOutcome], moment: str) -> list[Statement]:
    attempts = {
        job.id: job.attempts
        for outcome in outcomes
        if outcome.indexed
        for job in outcome.indexed.record.jobs
    }
    rows = [
        {
            **(revision_of(outcome.indexed) if outcome.indexed else {}),
            "job": outcome.job_id,
            "attempts": attempts.get(outcome.job_id),
            "status": outcome.status,
            "charge": int(outcome.charged),
            "due_at": outcome.due_at,
            "code": outcome.code,
            "message": outcome.message,
        }
        for outcome in outcomes
    ]
    # A job that waits for another try gives way to a newer one of its record.
    another = (
        "SELECT 1 FROM cognate_jobs q WHERE q.organization_id = cognate_jobs.organization_id "
        "AND q.scope = cognate_jobs.scope AND q.record_id = cognate_jobs.record_id "
        "AND q.status = 'queued' AND q.id <> cognate_jobs.id"
    )
    status = (
        f"CASE WHEN value ->> 'status' = 'queued' AND EXISTS ({another}) THEN 'superseded' "
        f"WHEN value ->> 'status' = 'done' AND NOT EXISTS ({CURRENT_STATE}) THEN 'superseded' "
        "ELSE value ->> 'status' END"
    )
    final = f"({status}) NOT IN ('queued', 'running')"
    # An older try that failed ends no newer one. And a dead letter may have failed the job while
    # this try was at work: its result counts.
    own_try = "cognate_jobs.attempts = COALESCE(value ->> 'attempts', cognate_jobs.attempts)"
    counts = (
        f"(cognate_jobs.status = 'running' AND (value ->> 'status' = 'done' OR {own_try}) "
        f"OR cognate_jobs.status = 'failed' AND {own_try})"
    )
    return [
        Statement(
            f"UPDATE cognate_jobs SET status = {status}, "  # noqa: S608 - constants above
            "charges = charges + (value ->> 'charge'), "
            "error_code = value ->> 'code', error_message = value ->> 'message', "
            "due_at = value ->> 'due_at', updated_at = ?2, "
            f"completed_at = CASE WHEN {final} THEN ?2 END "
            "FROM json_each(?1) WHERE cognate_jobs.id = value ->> 'job' "
            f"AND {counts} RETURNING cognate_jobs.id, cognate_jobs.status",
            (payload, moment),
        )
        for payload in json_groups(rows)
    ]


def _queue_repairs(items: Sequence[Indexed], now: datetime) -> list[Statement]:
    """Where a record moved on while its index entry was written, have the entry written again.

    The repair is forced: what it finds in D1 may look as if nothing had to be done.
    """
    rows = [
        {
            **revision_of(item),
            "job": new_id(JOB_PREFIX, now),
            "model": item.record.collection.model.name,
        }
        for item in items
    ]
    return [
        Statement(
            "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, model, source, "
            "status, forced, announced, due_at, created_at, updated_at) SELECT value ->> 'job', "
            "s.organization_id, s.scope, s.record_id, value ->> 'model', 'repair', 'queued', 1, 1, "
            "?3, ?2, ?2 FROM json_each(?1) JOIN cognate_embeddings s "
            "ON s.organization_id = value ->> 'organization' AND s.scope = value ->> 'scope' "
            "AND s.record_id = value ->> 'record' WHERE s.revision <> value ->> 'revision' "
            "ON CONFLICT (organization_id, scope, record_id) WHERE status = 'queued' "
            "DO UPDATE SET forced = 1 RETURNING id, scope",
            (payload, to_iso(now), to_iso(now + DELIVERY_PATIENCE)),
        )
        for payload in json_groups(rows)
    ]
