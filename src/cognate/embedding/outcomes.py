"""What becomes of each job of a record, once the record's work is done or has failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.errors import CognateError, PlatformError
from cognate.jobs.job import JobStatus
from cognate.jobs.queue import DELIVERY_PATIENCE
from cognate.jobs.retry import Fail, decide
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cognate.embedding.index import Indexed
    from cognate.jobs.run import StartedJob


@dataclass(frozen=True)
class JobOutcome:
    """What becomes of one job.

    Attributes:
        indexed: None for a job whose table is no longer in the schema.
        status: `queued` is another try; `done` becomes `superseded` where the record has moved on.
        after_seconds: the pause before another try.
        charged: whether a failure counts against the record.
        due_at: when the sweeper looks at a queued one.
        code: of the error; or, on a done job, of why there is no vector.
        message: a sentence for the job's owner.
    """

    job: StartedJob
    indexed: Indexed | None
    status: JobStatus
    after_seconds: int | None = None
    charged: bool = False
    due_at: str = ""
    code: str | None = None
    message: str | None = None

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.job.id


def outcomes_of(
    item: Indexed, deliveries: Mapping[str, int], now: datetime, jitter: Callable[[], float]
) -> list[JobOutcome]:
    """The outcome of every job of one record; where it is tried again, one of them does it.

    Args:
        item: done, or with its error.
        deliveries: job id to how often its message has been delivered.
        now: the time.
        jitter: a number in [0, 1).
    """
    if item.error is None:
        return [_done(job, item) for job in item.record.jobs]
    latest, *older = item.record.jobs
    outcomes = [JobOutcome(job, item, JobStatus.SUPERSEDED) for job in older]
    decision = decide(
        item.error,
        charges=max(job.charges for job in item.record.jobs),
        # A message that the sweeper sent again is counted anew; the job remembers.
        deliveries=max(deliveries[latest.id], latest.attempts),
        jitter=jitter,
    )
    code, message = item.error.code, sentence(item.error)
    if isinstance(decision, Fail):
        failed = JobOutcome(
            latest, item, JobStatus.FAILED, charged=True, code=code, message=message
        )
        return [*outcomes, failed]
    due = now + timedelta(seconds=decision.after_seconds) + DELIVERY_PATIENCE
    retried = JobOutcome(
        latest,
        item,
        JobStatus.QUEUED,
        after_seconds=decision.after_seconds,
        charged=decision.charged,
        due_at=to_iso(due),
        code=code,
        message=message,
    )
    return [*outcomes, retried]


def orphan(job: StartedJob) -> JobOutcome:
    """The outcome of a job whose table the schema does not have."""
    return JobOutcome(
        job,
        None,
        JobStatus.FAILED,
        code="TABLE_UNKNOWN",
        message="The table of this job is no longer in the schema, or no longer embeds anything.",
    )


def _done(job: StartedJob, item: Indexed) -> JobOutcome:
    if not item.record.exists and job.source == "message":
        return JobOutcome(
            job,
            item,
            JobStatus.FAILED,
            code="RECORD_NOT_FOUND",
            message="There is no record of this id in the table of this organization.",
        )
    if item.record.exists and item.record.is_gone:
        return JobOutcome(
            job,
            item,
            JobStatus.DONE,
            code="EMPTY_TEXT",
            message="The record has no text to embed, so it has no vector.",
        )
    return JobOutcome(job, item, JobStatus.DONE)


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
    """What a job's owner is told: our own words, never a platform's message or a text."""
    if isinstance(error, PlatformError):
        return SENTENCES.get(error.code, "The platform failed; the job is tried again by itself.")
    return str(error)
