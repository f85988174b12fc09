"""Routes that start, show and cancel backfills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from cognate.api.embedding_permissions import collection_for, permit, permit_job
from cognate.api.routing import Call, Route
from cognate.api.wire import (
    AnswerModel,
    Identifier,
    PageAnswer,
    PageQuery,
    RequestModel,
    Time,
)
from cognate.backfill.backfills import (
    cancel_backfill,
    find_backfill,
    list_backfills,
    start_backfill,
)
from cognate.backfill.needs import Selection
from cognate.jobs.job import JobError

if TYPE_CHECKING:
    from cognate.backfill.backfills import Backfill
    from cognate.pagination import Page

MAX_RATE: Final = 6000
"""Records a minute: a step takes a hundred, and the shortest delay of a queue is a second."""


class PostBackfill(RequestModel):
    """A table, the records of it to embed, and how many records a minute at most."""

    table: Identifier
    only: Literal["missing", "stale", "all"] = "missing"
    rate: Annotated[int, Field(ge=1, le=MAX_RATE)] | None = None


class BackfillAnswer(AnswerModel):
    """One backfill. It has read `scanned` records, and queued a job for `queued` of them."""

    backfill_id: str = Field(validation_alias="id")
    table: str
    only: str = Field(validation_alias="selection")
    status: str
    rate: int | None
    scanned: int
    queued: int
    error: JobError | None
    created_at: Time
    updated_at: Time
    completed_at: Time | None


class BackfillList(PageAnswer[BackfillAnswer]):
    """Backfills, newest first."""


async def post_backfill(call: Call) -> Backfill:
    """Start a backfill, or return the same one if it is running already."""
    body = call.body(PostBackfill)
    collection = collection_for(call, body.table, "update")
    return await start_backfill(
        call.platform, call.organization_id, collection, Selection(body.only), body.rate
    )


async def get_backfills(call: Call) -> Page[Backfill]:
    """List backfills of the caller's organization."""
    query = call.query(PageQuery)
    permit(call, None, "read")
    return await list_backfills(
        call.platform.database, call.organization_id, limit=query.limit, cursor=query.cursor
    )


async def get_backfill(call: Call) -> Backfill:
    """Show one backfill of the caller's organization."""
    backfill = await find_backfill(
        call.platform.database, call.organization_id, call.parameters["backfillId"]
    )
    permit_job(call, backfill.table, "read")
    return backfill


async def post_cancel(call: Call) -> Backfill:
    """Cancel a backfill. The jobs that it queued still run."""
    backfill = await find_backfill(
        call.platform.database, call.organization_id, call.parameters["backfillId"]
    )
    permit_job(call, backfill.table, "update")
    return await cancel_backfill(call.platform, call.organization_id, backfill.id)


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/embeddings/backfill",
        name="embeddings.backfill_start",
        summary="Start a backfill: embed the missing or stale records of a table, or all.",
        handler=post_backfill,
        request=PostBackfill,
        response=BackfillAnswer,
        status=202,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/backfill",
        name="embeddings.backfills",
        summary="List backfills, newest first.",
        handler=get_backfills,
        query=PageQuery,
        response=BackfillList,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/backfill/{backfillId}",
        name="embeddings.backfill",
        summary="Show the progress of a backfill.",
        handler=get_backfill,
        response=BackfillAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/backfill/{backfillId}/cancel",
        name="embeddings.backfill_cancel",
        summary="Cancel a backfill; the jobs that it queued still run.",
        handler=post_cancel,
        response=BackfillAnswer,
    ),
)
