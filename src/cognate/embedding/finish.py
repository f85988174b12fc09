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
    ADD_BINDING,
    CURRENT_STATE,
    RECORD_KEY,
    Components,
    record_key,
    store_components,
    store_seen,
    store_state,
)
from cognate.ids import new_id
from cognate.jobs.job import JobStatus
from cognate.jobs.queue import DELIVERY_PATIENCE, JOB_PREFIX, release_statement
from cognate.ports import Row, Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

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
    unsure = [work for work in works if work.leaves_index_unsure]
    seen = [work for work in works if work.error is None and not work.task.is_behind]
    removed = [work for work in works if _is_removed(work)]
    late = [work for work in works if work.may_have_written]
    components = Components()
    statements = store_components(kept, components)
    first_status = len(statements)
    statements += _store_statuses(outcomes, moment)
    after_statuses = len(statements)
    statements += [*_remove_state(removed), *store_state(kept, components, moment)]
    statements += [*_forget_index(unsure), *store_seen(seen), *_doubt_index(late, now)]
    statements += _store_left(works)
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


def _remove_state(works: Sequence[Work]) -> list[Statement]:
    """Remove the state rows of records whose vectors are gone, unless something newer came.

    A row stays while another job of its record is pending: that one may have written to the index.
    """
    return [
        Statement(
            "DELETE FROM cognate_embeddings WHERE (vector_key, revision) IN "
            "(SELECT value ->> 'key', value ->> 'revision' FROM json_each(?1)) "
            "AND NOT EXISTS (SELECT 1 FROM cognate_jobs j "
            "WHERE j.organization_id = cognate_embeddings.organization_id "
            "AND j.scope = cognate_embeddings.scope "
            "AND j.record_id = cognate_embeddings.record_id "
            "AND +j.status IN ('queued', 'running'))",
            (payload,),
        )
        for payload in json_groups(
            [{"key": work.task.vector_key, "revision": work.task.revision} for work in works]
        )
    ]


def _store_left(works: Sequence[Work]) -> list[Statement]:
    """Which indexes hold nothing of a record any more; rarely any, so usually no statement."""
    rows = [
        {
            "key": work.task.vector_key,
            "revision": work.task.revision,
            "left": [*work.left_bindings, *([work.binding] if _is_gone(work) else [])],
        }
        for work in works
        if work.left_bindings or (_is_gone(work) and not _is_removed(work))
    ]
    return [
        Statement(
            "UPDATE cognate_embeddings SET index_bindings = (SELECT json_group_array(b.value) "
            "FROM json_each(cognate_embeddings.index_bindings) b WHERE b.value NOT IN ("
            "SELECT l.value FROM json_each(json_each.value, '$.left') l)) FROM json_each(?1) "
            "WHERE vector_key = json_each.value ->> 'key' "
            "AND revision = json_each.value ->> 'revision'",
            (payload,),
        )
        for payload in json_groups(rows)
    ]


def _forget_index(works: Sequence[Work]) -> list[Statement]:
    """What failed may have left anything in the index: whoever is next must write again."""
    return [
        Statement(
            "UPDATE cognate_embeddings SET index_hash = NULL "  # noqa: S608 - a constant
            f"FROM json_each(?1) WHERE {RECORD_KEY} AND revision = value ->> 'revision'",
            (payload,),
        )
        for payload in json_groups([record_key(work) for work in works])
    ]


def _store_statuses(outcomes: Sequence[JobOutcome], moment: str) -> list[Statement]:
    attempts = {
        job.id: job.attempts
        for outcome in outcomes
        if outcome.work
        for job in outcome.work.task.jobs
    }
    rows = [
        {
            **(record_key(outcome.work) if outcome.work else {}),
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


def _doubt_index(works: Sequence[Work], now: datetime) -> list[Statement]:
    """Where a record moved on while its index entry was written, the index may hold either entry.

    Where its state row was removed meanwhile, an upsert came after the deletion: the row is made
    again, so that the repair removes what was upserted. One that was made since has not heard of
    that upsert.
    """
    upserted = [
        {
            **record_key(work),
            "key": work.task.vector_key,
            "max_chunks": work.task.max_chunks,
            "binding": work.binding,
        }
        for work in works
        if work.action is not Action.REMOVE
    ]
    return [
        *(
            Statement(
                "INSERT OR IGNORE INTO cognate_embeddings (organization_id, scope, record_id, "
                "vector_key, revision, max_chunks, index_bindings) "
                "SELECT value ->> 'organization', value ->> 'scope', value ->> 'record', "
                "value ->> 'key', MAX(?2, value ->> 'revision' + 1), value ->> 'max_chunks', "
                "json_array(value ->> 'binding') FROM json_each(?1)",
                (payload, to_milliseconds(now)),
            )
            for payload in json_groups(upserted)
        ),
        *(
            Statement(
                "UPDATE cognate_embeddings SET index_hash = NULL, "  # noqa: S608 - constants
                f"max_chunks = MAX(max_chunks, value ->> 'max_chunks'), {ADD_BINDING} "
                f"FROM json_each(?1) WHERE {RECORD_KEY} AND revision <> value ->> 'revision'",
                (payload,),
            )
            for payload in json_groups(
                [
                    {
                        **record_key(work),
                        "max_chunks": work.task.max_chunks,
                        "binding": work.binding,
                    }
                    for work in works
                ]
            )
        ),
    ]


def _queue_repairs(works: Sequence[Work], now: datetime) -> list[Statement]:
    """Where a record moved on while its index entry was written, have the entry written again.

    The repair is forced: what it finds in D1 may look as if nothing had to be done.
    """
    rows = [
        {
            **record_key(work),
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
