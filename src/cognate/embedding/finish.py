"""Finish: decide how each job ends, and store that with the vectors in the last D1 call of a batch.

A result counts only for the revision of the record that was read. A result for an older text is
dropped. It may have reached the index after the newer vectors did, so a repair is queued that
writes the newer vectors again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.keep import keep_records, revision_of
from cognate.errors import CognateError, PlatformError
from cognate.ids import new_id
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import JOB_PREFIX
from cognate.jobs.queue import DELIVERY_PATIENCE, release_statement
from cognate.jobs.retry import Fail, decide
from cognate.jobs.run import JobEnd, end_statements, repair_statements
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from cognate.embedding.index import Indexed
    from cognate.embedding.index_progress import Mutation
    from cognate.jobs.run import StartedJob
    from cognate.ports import Database, Row, Statement


@dataclass(frozen=True)
class RecordOutcome:
    """A record that went through a batch, and how its jobs end.

    Attributes:
        ends: one for each job.
        indexed: None for jobs whose table is no longer in the schema.
    """

    ends: tuple[JobEnd, ...]
    indexed: Indexed | None = None


@dataclass(frozen=True)
class Finished:
    """What the last call answered.

    Attributes:
        statuses: job id to the status it has now.
        repairs: number of jobs queued because an older result may be in the index.
        released: rows of (id, organization_id, scope), of jobs whose messages are to be sent now.
    """

    statuses: dict[str, JobStatus]
    repairs: int
    released: list[Row]


def outcome_of(
    item: Indexed, deliveries: Mapping[str, int], now: datetime, jitter: Callable[[], float]
) -> RecordOutcome:
    """Decide how the jobs of one record end. If it is tried again, its latest job does that.

    Args:
        item: the record, maybe with an error.
        deliveries: job id to the number of deliveries of its message.
        now: the time.
        jitter: a number in [0, 1).
    """
    record = revision_of(item)
    if item.error is None:
        return RecordOutcome(tuple(_done(job, item, record) for job in item.record.jobs), item)
    latest, *older = item.record.jobs
    superseded = [JobEnd(job, JobStatus.SUPERSEDED, record) for job in older]
    decision = decide(
        item.error,
        charges=max(job.charges for job in item.record.jobs),
        # A message that the sweeper sent again is counted anew; the job remembers.
        deliveries=max(deliveries[latest.id], latest.attempts),
        jitter=jitter,
    )
    code, message = item.error.code, sentence(item.error)
    if isinstance(decision, Fail):
        end = JobEnd(latest, JobStatus.FAILED, record, charged=True, code=code, message=message)
        return RecordOutcome((*superseded, end), item)
    due = now + timedelta(seconds=decision.after_seconds) + DELIVERY_PATIENCE
    end = JobEnd(
        latest,
        JobStatus.QUEUED,
        record,
        after_seconds=decision.after_seconds,
        charged=decision.charged,
        due_at=to_iso(due),
        code=code,
        message=message,
    )
    return RecordOutcome((*superseded, end), item)


def orphan(job: StartedJob) -> RecordOutcome:
    """Fail a job whose table the schema does not have."""
    message = "The table of this job is no longer in the schema, or no longer embeds anything."
    return RecordOutcome((JobEnd(job, JobStatus.FAILED, code="TABLE_UNKNOWN", message=message),))


def _done(job: StartedJob, item: Indexed, record: Mapping[str, Any]) -> JobEnd:
    if not item.record.exists and job.source == "message":
        message = "There is no record of this id in the table of this organization."
        return JobEnd(job, JobStatus.FAILED, record, code="RECORD_NOT_FOUND", message=message)
    if item.record.exists and item.record.is_gone:
        message = "The record has no text to embed, so it has no vector."
        return JobEnd(job, JobStatus.DONE, record, code="EMPTY_TEXT", message=message)
    return JobEnd(job, JobStatus.DONE, record)


async def finish(
    database: Database,
    outcomes: Sequence[RecordOutcome],
    waiting: Sequence[str],
    now: datetime,
    mutations: Sequence[Mutation] = (),
) -> Finished:
    """Store vectors, hashes and job statuses, and release the next jobs, in one transaction.

    Args:
        database: D1.
        outcomes: of the records of the batch.
        waiting: organizations that may have jobs which are not announced yet.
        now: the time, after the last call of an index.
        mutations: that the indexes have accepted for these records.

    Raises:
        DatabaseError: nothing was stored. The jobs are still running, and their messages must be
            delivered again.
    """
    indexed = [outcome.indexed for outcome in outcomes if outcome.indexed]
    statements = end_statements(list(chain(*(outcome.ends for outcome in outcomes))), now)
    after_statuses = len(statements)
    late = [item for item in indexed if item.may_have_written]
    statements += keep_records(indexed, late, mutations, now)
    first_repair = len(statements)
    statements += _repairs(late, now)
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


def _repairs(items: Sequence[Indexed], now: datetime) -> list[Statement]:
    """Have the index entries of records written again, if the records were written meanwhile."""
    rows = [
        {
            **revision_of(item),
            "job": new_id(JOB_PREFIX, now),
            "model": item.record.collection.model.name,
        }
        for item in items
    ]
    return repair_statements(rows, now)


SENTENCES: Final = {
    "AI_CAPACITY": "Workers AI is out of capacity; the job is tried again by itself.",
    "AI_TIMEOUT": "Workers AI did not answer in time; the job is tried again by itself.",
    "AI_ALLOWANCE_USED_UP": "The allowance of Workers AI is used up; the job waits for the next.",
    "AI_MODEL_UNAVAILABLE": "Workers AI does not offer the model of this table at the moment; the "
    "job waits until it does, or until the table has another model.",
    "AI_ACCESS_DENIED": "Workers AI does not let this deployment use the model; the job waits "
    "until it does.",
    "AI_INPUT_REJECTED": "Workers AI refused the text. Change it, then try again.",
    "AI_ANSWER_UNUSABLE": "Workers AI answered a wrong number or size of vectors; the job is tried "
    "again by itself.",
    "AI_TEXT_UNUSABLE": "Workers AI answers this text with a wrong number or size of vectors. "
    "Change it, then try again.",
    "AI_ERROR": "Workers AI failed; the job is tried again by itself.",
    "VECTORIZE_UNAVAILABLE": "Vectorize is out of reach; the job is tried again by itself.",
    "VECTORIZE_THROTTLED": "Vectorize has too much to do; the job is tried again by itself.",
    "VECTORIZE_REJECTED": "Vectorize refused the vector or its metadata. Change the record.",
    "VECTORIZE_ERROR": "Vectorize failed; the job is tried again by itself.",
    "DATABASE_ERROR": "D1 failed; the job is tried again by itself.",
    "CONSTRAINT_VIOLATED": "D1 refused what was to be stored; the job is tried again by itself.",
    "VALUE_TOO_LARGE": "D1 has no room for the vectors; the job is tried again by itself.",
    "TABLE_MISSING": "The database lacks a table; the job waits for its migration.",
    "COLUMN_MISSING": "The database lacks a column; the job waits for its migration.",
}


def sentence(error: CognateError) -> str:
    """Return the sentence for a job's owner. It quotes neither a platform's message nor a text."""
    if isinstance(error, PlatformError):
        return SENTENCES.get(error.code, "The platform failed; the job is tried again by itself.")
    return str(error)
