"""Routes that show embedding jobs, and retry or dismiss failed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator

from cognate.api.embedding_permissions import permit, permit_job
from cognate.api.pages import Pagination, pagination_of
from cognate.api.queries import PageQuery
from cognate.api.route import Call, Route
from cognate.api.wire import AnswerModel, Identifier, RequestModel
from cognate.jobs.job import JobFilter, JobStatus, find_job, list_jobs
from cognate.jobs.replay import replay_job, replay_jobs
from cognate.texts.dismissal import dismiss_job, dismiss_jobs
from cognate.times import to_iso
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from cognate.jobs.job import Job

Code = Annotated[str, Field(min_length=1, max_length=64)]
"""The stable code of an error."""


class JobsQuery(PageQuery):
    """Which jobs to list; every filter narrows further."""

    status: JobStatus | None = None
    table: Identifier | None = None
    id: Identifier | None = None
    code: Code | None = None

    @model_validator(mode="after")
    def _id_comes_with_table(self) -> Self:
        if self.id is not None and self.table is None:
            refuse_field("/id", "needs the table of the record; name it, or leave out the id")
        return self


class ChosenJobs(RequestModel):
    """Which failed jobs: all of them, or those of a table, or of an error."""

    table: Identifier | None = None
    code: Code | None = None


class RetriedJobs(AnswerModel):
    """Records that are looked at again, and failed jobs that another call would find."""

    retried: int
    remaining: int


class DismissedJobs(AnswerModel):
    """Failed jobs that are dismissed now, and those that another call would find."""

    dismissed: int
    remaining: int


class JobError(AnswerModel):
    """Why a job failed, or failed last."""

    code: str
    message: str


class JobAnswer(AnswerModel):
    """One job; times are ISO 8601 in UTC."""

    job_id: str
    status: str
    table: str | None
    id: str | None
    model: str | None
    attempts: int
    error: JobError | None
    created_at: str
    updated_at: str
    completed_at: str | None


class JobList(AnswerModel):
    """Jobs, the newest first."""

    data: list[JobAnswer]
    pagination: Pagination


async def get_jobs(call: Call) -> JobList:
    """List jobs of the caller's organization."""
    query = call.query(JobsQuery)
    permit(call, query.table, "read")
    page = await list_jobs(
        call.platform.database,
        call.organization_id,
        JobFilter(query.status, query.table, query.id, query.code),
        limit=query.limit,
        cursor=query.cursor,
    )
    return JobList(data=[job_answer(job) for job in page.items], pagination=pagination_of(page))


async def get_job(call: Call) -> JobAnswer:
    """Show one job of the caller's organization."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "read")
    return job_answer(job)


async def post_retry(call: Call) -> JobAnswer:
    """Try one failed job again."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "update")
    return job_answer(await replay_job(call.platform, call.organization_id, job.id))


async def post_retries(call: Call) -> RetriedJobs:
    """Try failed jobs again."""
    body = call.body(ChosenJobs)
    permit(call, body.table, "update")
    replayed = await replay_jobs(
        call.platform, call.organization_id, scope=body.table, code=body.code
    )
    return RetriedJobs(retried=replayed.retried, remaining=replayed.remaining)


async def post_dismissal(call: Call) -> JobAnswer:
    """Dismiss one failed job."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "update")
    return job_answer(await dismiss_job(call.platform, call.organization_id, job.id))


async def post_dismissals(call: Call) -> DismissedJobs:
    """Dismiss failed jobs; also those of a table that the schema does not have any more."""
    body = call.body(ChosenJobs)
    if body.table is None or body.table in call.app.tables:
        permit(call, body.table, "update")
    done = await dismiss_jobs(call.platform, call.organization_id, scope=body.table, code=body.code)
    return DismissedJobs(dismissed=done.dismissed, remaining=done.remaining)


def job_answer(job: Job) -> JobAnswer:
    """A job as it is shown."""
    error = None
    if job.error_code is not None:
        error = JobError(code=job.error_code, message=job.error_message or "")
    return JobAnswer(
        job_id=job.id,
        status=job.status,
        table=job.table,
        id=job.record_id,
        model=job.model,
        attempts=job.attempts,
        error=error,
        created_at=to_iso(job.created_at),
        updated_at=to_iso(job.updated_at),
        completed_at=None if job.completed_at is None else to_iso(job.completed_at),
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/embeddings/jobs",
        name="embeddings.jobs",
        summary="List embedding jobs, the newest first, by status, table, record and error code.",
        handler=get_jobs,
        query=JobsQuery,
        response=JobList,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/jobs/{jobId}",
        name="embeddings.job",
        summary="Show how far an embedding job is.",
        handler=get_job,
        response=JobAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/{jobId}/retry",
        name="embeddings.job_retry",
        summary="Try a failed embedding job again.",
        handler=post_retry,
        response=JobAnswer,
        status=202,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/retry",
        name="embeddings.jobs_retry",
        summary="Try failed embedding jobs again, up to a thousand: all, of a table, or of a code.",
        handler=post_retries,
        request=ChosenJobs,
        response=RetriedJobs,
        status=202,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/{jobId}/dismiss",
        name="embeddings.job_dismiss",
        summary="Dismiss a failed embedding job: it is not tried again, and is removed in time.",
        handler=post_dismissal,
        response=JobAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/dismiss",
        name="embeddings.jobs_dismiss",
        summary="Dismiss failed embedding jobs, up to a thousand: all, of a table, or of a code.",
        handler=post_dismissals,
        request=ChosenJobs,
        response=DismissedJobs,
    ),
)
