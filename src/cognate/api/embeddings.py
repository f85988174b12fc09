"""Posting texts to be embedded, and watching what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import model_validator

from cognate.api.route import Call, Route
from cognate.api.wire import AnswerModel, Identifier, RequestModel, Text, refuse_field
from cognate.enqueue import enqueue_record, enqueue_text
from cognate.jobs import find_job
from cognate.times import to_iso

if TYPE_CHECKING:
    from cognate.jobs import Job


class PostEmbedding(RequestModel):
    """A text to embed: into a record's row, or, without a table, under its job's id."""

    content: Text
    model: Identifier | None = None
    table: Identifier | None = None
    id: Identifier | None = None

    @model_validator(mode="after")
    def _id_comes_with_table(self) -> Self:
        if self.table is not None and self.id is None:
            refuse_field("/id", "is required with a table: the record whose embedding this is")
        if self.table is None and self.id is not None:
            refuse_field("/id", "needs the table of the record; name it, or leave out the id")
        return self


class QueuedEmbedding(AnswerModel):
    """What was queued; null where the request did not give it."""

    queued: Literal[True] = True
    job_id: str
    table: str | None
    id: str | None
    model: str | None


class EmbeddedTable(AnswerModel):
    """A table whose records are embedded."""

    name: str
    embedding_column: str
    model: str


class EmbeddedTables(AnswerModel):
    """Every table with embeddings, in the order of the schema."""

    tables: list[EmbeddedTable]


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


async def post_embedding(call: Call) -> QueuedEmbedding:
    """Queue a text, for a record or for itself."""
    body = call.body(PostEmbedding)
    if body.table is None or body.id is None:
        job = await enqueue_text(call.platform, call.organization_id, body.content, body.model)
    else:
        job = await enqueue_record(
            call.platform,
            call.organization_id,
            call.app.table(body.table),
            body.id,
            content=body.content,
            model_name=body.model,
        )
    return QueuedEmbedding(job_id=job.id, table=body.table, id=body.id, model=body.model)


async def get_tables(call: Call) -> EmbeddedTables:
    """List the tables that have embeddings."""
    tables = [
        EmbeddedTable(
            name=table.name,
            embedding_column=table.embeddings.embedding_column,
            model=table.embeddings.model,
        )
        for table in call.app.tables.values()
        if table.embeddings is not None
    ]
    return EmbeddedTables(tables=tables)


async def get_job(call: Call) -> JobAnswer:
    """Show one job of the caller's organization."""
    job = await find_job(call.platform.database, call.organization_id, call.parameters["jobId"])
    return job_answer(job)


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
        method="POST",
        path="/api/v1/embeddings",
        name="embeddings.post",
        summary="Queue a text to be embedded, for a record or for itself.",
        handler=post_embedding,
        request=PostEmbedding,
        response=QueuedEmbedding,
        status=202,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/tables",
        name="embeddings.tables",
        summary="List the tables whose records are embedded, and by which model.",
        handler=get_tables,
        response=EmbeddedTables,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/jobs/{jobId}",
        name="embeddings.job",
        summary="Show how far an embedding job is.",
        handler=get_job,
        response=JobAnswer,
    ),
)
