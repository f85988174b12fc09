"""The last D1 call of a batch: keep what was made, and say what became of each job.

Everything is fenced by the record's revision. What was made of an older text is dropped; and
because it may have reached the index after the newer one's vectors did, a repair is queued that
writes the newer ones again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.embedding.decide import Action, Work
from cognate.embedding.index_progress import record_statements
from cognate.embedding.keep import (
    Components,
    store_components,
)
from cognate.embedding.states import (
    CURRENT_STATE,
    doubt_index,
    forget_index,
    remove_bindings,
    remove_states,
    revision_of,
    store_seen,
    store_states,
)
from cognate.ids import new_id
from cognate.jobs.job import JobStatus
from cognate.jobs.queue import DELIVERY_PATIENCE, JOB_PREFIX, release_statement
from cognate.ports import Row, Statement
from cognate.sql import json_groups
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

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
    works = list({id(outcome.work): outcome.work for outcome in outcomes if outcome.work}.values())
    kept = [work for work in works if _is_kept(work)]
    moment = to_iso(now)
    kept_ids = {id(work) for work in kept}
    others = [work for work in works if id(work) not in kept_ids]
    late = [work for work in works if work.may_have_written]
    removed = [work for work in works if _is_removed(work)]
    left = [
        (work, _left_bindings(work))
        for work in works
        if work.left_bindings or (_is_gone(work) and not _is_removed(work))
    ]
    components = Components()
    statements = store_components(kept, components)
    first_status = len(statements)
    statements += _store_statuses(outcomes, moment)
    after_statuses = len(statements)
    statements += [*remove_states(removed), *store_states(kept, components, now)]
    # Of what is kept, the statement before has said it.
    statements += store_seen(others)
    statements += forget_index([work for work in others if work.leaves_index_unsure])
    statements += doubt_index(late, now)
    statements += remove_bindings(left)
    statements += record_statements(mutations)
    first_repair = len(statements)
    statements += _queue_repairs(late, now)
    first_release = len(statements)
    statements += [release_statement(organization, now) for organization in waiting]
    answers = await database.batch(statements)
    return Finished(
        statuses={
            row["id"]: JobStatus(row["status"])
            for rows in answers[first_status:after_statuses]
            for row in rows
        },
        repairs=sum(len(rows) for rows in answers[first_repair:first_release]),
        released=[row for rows in answers[first_repair:] for row in rows],
    )


def _is_kept(work: Work) -> bool:
    """Whether there is something to store.

    Vectors that were made are kept even where the index did not take them: the next try writes
    them to the index without another call of the model, and until then a search finds them in D1.
    """
    if work.error is not None:
        return work.action is Action.EMBED and bool(work.placed)
    return work.action is not Action.NOTHING


def _is_removed(work: Work) -> bool:
    """Whether the record is gone, and all indexes have accepted the deletion of its vectors."""
    return _is_gone(work) and set(work.other_bindings) <= set(work.left_bindings)


def _is_gone(work: Work) -> bool:
    return work.action is Action.REMOVE and work.error is None and not work.task.exists


def _left_bindings(work: Work) -> list[str]:
    """The indexes that have no vectors of the record any more."""
    return [*work.left_bindings, *([work.binding] if _is_gone(work) else [])]


def _store_statuses(outcomes: Sequence[JobOutcome], moment: str) -> list[Statement]:
    attempts = {
        job.id: job.attempts
        for outcome in outcomes
        if outcome.work
        for job in outcome.work.task.jobs
    }
    rows = [
        {
            **(revision_of(outcome.work) if outcome.work else {}),
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


def _queue_repairs(works: Sequence[Work], now: datetime) -> list[Statement]:
    """Where a record moved on while its index entry was written, have the entry written again.

    The repair is forced: what it finds in D1 may look as if nothing had to be done.
    """
    rows = [
        {
            **revision_of(work),
            "job": new_id(JOB_PREFIX, now),
            "model": work.task.collection.model.name,
        }
        for work in works
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
