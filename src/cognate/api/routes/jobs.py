"""Routes that show embedding jobs, and retry or dismiss failed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator

from cognate.api.embedding_permissions import permit, permit_job
from cognate.api.routing import Call, Route
from cognate.api.wire import (
    AnswerModel,
    Identifier,
    PageAnswer,
    PageQuery,
    RequestModel,
    Time,
)
from cognate.jobs.job import JobError, JobFilter, JobStatus, list_jobs
from cognate.jobs.replay import replay_job, replay_jobs
from cognate.texts.dismissal import dismiss_job, dismiss_jobs
from cognate.texts.posted import find_job
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from cognate.jobs.job import Job
    from cognate.jobs.replay import Replayed
    from cognate.pagination import Page
    from cognate.texts.dismissal import Dismissed

Code = Annotated[str, Field(min_length=1, max_length=64)]
"""The stable code of an error."""


class JobsQuery(PageQuery):
    """Filters of the list of jobs. A job has to match all of them."""

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
    """Failed jobs: all, or those of a table, or those with an error code."""

    table: Identifier | None = None
    code: Code | None = None


class RetriedJobs(AnswerModel):
    """The records whose jobs are retried now, and the failed jobs left for another call."""

    retried: int
    remaining: int


class DismissedJobs(AnswerModel):
    """The failed jobs that are dismissed now, and those left for another call."""

    dismissed: int
    remaining: int


class JobAnswer(AnswerModel):
    """One job. `error` says why it failed, or why its last attempt did."""

    job_id: str = Field(validation_alias="id")
    status: str
    table: str | None
    id: str | None = Field(validation_alias="record_id")
    model: str | None
    attempts: int
    error: JobError | None
    created_at: Time
    updated_at: Time
    completed_at: Time | None


class JobList(PageAnswer[JobAnswer]):
    """Jobs, newest first."""


async def get_jobs(call: Call) -> Page[Job]:
    """List jobs of the caller's organization."""
    query = call.query(JobsQuery)
    permit(call, query.table, "read")
    return await list_jobs(
        call.platform.database,
        call.organization_id,
        JobFilter(query.status, query.table, query.id, query.code),
        limit=query.limit,
        cursor=query.cursor,
    )


async def get_job(call: Call) -> Job:
    """Show one job of the caller's organization."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "read")
    return job


async def post_retry(call: Call) -> Job:
    """Retry one failed job."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "update")
    return await replay_job(call.platform, call.organization_id, job.id)


async def post_retries(call: Call) -> Replayed:
    """Retry failed jobs."""
    body = call.body(ChosenJobs)
    permit(call, body.table, "update")
    return await replay_jobs(call.platform, call.organization_id, scope=body.table, code=body.code)


async def post_dismissal(call: Call) -> Job:
    """Dismiss one failed job."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    permit_job(call, job.table, "update")
    return await dismiss_job(call.platform, call.organization_id, job.id)


async def post_dismissals(call: Call) -> Dismissed:
    """Dismiss failed jobs. Their table may have left the schema."""
    body = call.body(ChosenJobs)
    if body.table is None or body.table in call.app.tables:
        permit(call, body.table, "update")
    return await dismiss_jobs(call.platform, call.organization_id, scope=body.table, code=body.code)


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/embeddings/jobs",
        name="embeddings.jobs",
        summary="List embedding jobs, newest first, by status, table, record and error code.",
        handler=get_jobs,
        query=JobsQuery,
        response=JobList,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/jobs/{jobId}",
        name="embeddings.job",
        summary="Show an embedding job.",
        handler=get_job,
        response=JobAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/{jobId}/retry",
        name="embeddings.job_retry",
        summary="Retry a failed embedding job.",
        handler=post_retry,
        response=JobAnswer,
        status=202,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/retry",
        name="embeddings.jobs_retry",
        summary="Retry up to a thousand failed jobs: all, of a table, or of an error code.",
        handler=post_retries,
        request=ChosenJobs,
        response=RetriedJobs,
        status=202,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/{jobId}/dismiss",
        name="embeddings.job_dismiss",
        summary="Dismiss a failed embedding job: it is not retried, and is removed later.",
        handler=post_dismissal,
        response=JobAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/jobs/dismiss",
        name="embeddings.jobs_dismiss",
        summary="Dismiss up to a thousand failed jobs: all, of a table, or of an error code.",
        handler=post_dismissals,
        request=ChosenJobs,
        response=DismissedJobs,
    ),
)
