"""Having the records of a table embedded that were never, or are not as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from cognate.api.embedding_permissions import collection_for, permit, permit_job
from cognate.api.pages import Pagination, pagination_of
from cognate.api.queries import PageQuery
from cognate.api.route import Call, Route
from cognate.api.routes.jobs import JobError
from cognate.api.wire import AnswerModel, Identifier, RequestModel
from cognate.backfill.backfills import (
    cancel_backfill,
    find_backfill,
    list_backfills,
    start_backfill,
)
from cognate.backfill.needs import Selection
from cognate.times import to_iso

if TYPE_CHECKING:
    from cognate.backfill.backfills import Backfill

MAX_RATE: Final = 6000
"""Records a minute: a step is a hundred, and the shortest pause of a queue is a second."""


class PostBackfill(RequestModel):
    """A table to walk over, which of its records to embed, and how many a minute at most."""

    table: Identifier
    only: Literal["missing", "stale", "all"] = "missing"
    rate: Annotated[int, Field(ge=1, le=MAX_RATE)] | None = None


class BackfillAnswer(AnswerModel):
    """One backfill: `scanned` records were looked at, `queued` of them are embedded again."""

    backfill_id: str
    table: str
    only: str
    status: str
    rate: int | None
    scanned: int
    queued: int
    error: JobError | None
    created_at: str
    updated_at: str
    completed_at: str | None


class BackfillList(AnswerModel):
    """Backfills, the newest first."""

    data: list[BackfillAnswer]
    pagination: Pagination


async def post_backfill(call: Call) -> BackfillAnswer:
    """Start a backfill; where the same one is running, answer that one."""
    body = call.body(PostBackfill)
    collection = collection_for(call, body.table, "update")
    backfill = await start_backfill(
        call.platform, call.organization_id, collection, Selection(body.only), body.rate
    )
    return _answer(backfill)


async def get_backfills(call: Call) -> BackfillList:
    """List backfills of the caller's organization."""
    query = call.query(PageQuery)
    permit(call, None, "read")
    page = await list_backfills(
        call.platform.database, call.organization_id, limit=query.limit, cursor=query.cursor
    )
    return BackfillList(
        data=[_answer(backfill) for backfill in page.items], pagination=pagination_of(page)
    )


async def get_backfill(call: Call) -> BackfillAnswer:
    """Show one backfill of the caller's organization."""
    backfill = await find_backfill(
        call.platform.database, call.organization_id, call.parameters["backfillId"]
    )
    permit_job(call, backfill.table, "read")
    return _answer(backfill)


async def post_cancel(call: Call) -> BackfillAnswer:
    """End a backfill; what it queued is embedded all the same."""
    backfill = await find_backfill(
        call.platform.database, call.organization_id, call.parameters["backfillId"]
    )
    permit_job(call, backfill.table, "update")
    return _answer(await cancel_backfill(call.platform, call.organization_id, backfill.id))


def _answer(backfill: Backfill) -> BackfillAnswer:
    error = None
    if backfill.error_code is not None:
        error = JobError(code=backfill.error_code, message=backfill.error_message or "")
    ended = backfill.completed_at
    return BackfillAnswer(
        backfill_id=backfill.id,
        table=backfill.table,
        only=backfill.selection,
        status=backfill.status,
        rate=backfill.rate,
        scanned=backfill.scanned,
        queued=backfill.queued,
        error=error,
        created_at=to_iso(backfill.created_at),
        updated_at=to_iso(backfill.updated_at),
        completed_at=None if ended is None else to_iso(ended),
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/embeddings/backfill",
        name="embeddings.backfill_start",
        summary="Embed the records of a table that were never embedded, are stale, or all.",
        handler=post_backfill,
        request=PostBackfill,
        response=BackfillAnswer,
        status=202,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/backfill",
        name="embeddings.backfills",
        summary="List backfills, the newest first.",
        handler=get_backfills,
        query=PageQuery,
        response=BackfillList,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/backfill/{backfillId}",
        name="embeddings.backfill",
        summary="Show how far a backfill is.",
        handler=get_backfill,
        response=BackfillAnswer,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/backfill/{backfillId}/cancel",
        name="embeddings.backfill_cancel",
        summary="End a backfill; what it queued so far is embedded all the same.",
        handler=post_cancel,
        response=BackfillAnswer,
    ),
)
