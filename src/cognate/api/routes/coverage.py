"""How much of each table is embedded."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from cognate.api.embedding_permissions import readable_collections
from cognate.api.route import Call, Route
from cognate.api.wire import AnswerModel
from cognate.backfill.coverage import Coverage, Uncounted, coverage
from cognate.times import to_iso


class TableCoverage(AnswerModel):
    """The records of a table, each in exactly one class: `records` is the sum of the next five.

    `embedded` have the vectors they should have (none, where the text is empty); of `pending` ones
    a job is queued or running; of `failed` ones the last word is a failed job; `missing` ones no
    job has looked at; `stale` ones have the vectors of another model or chunker. All of it was so
    at `countedAt`: now, or for a large table at most a minute ago.
    """

    name: str
    records: int
    embedded: int
    pending: int
    failed: int
    stale: int
    missing: int
    oldest_pending_age_seconds: int | None
    counted_at: str


class UncountedTable(AnswerModel):
    """A table whose records cannot be counted, and why."""

    name: str
    code: str
    message: str


class CoverageAnswer(AnswerModel):
    """Tables with embeddings that the caller may read, in their order.

    `uncounted` is there only where a migration was not applied.
    """

    tables: list[TableCoverage]
    uncounted: Annotated[
        list[UncountedTable], Field(exclude_if=lambda found: not found, default_factory=list)
    ]


async def get_coverage(call: Call) -> CoverageAnswer:
    """Count the records of the caller's organization."""
    found = await coverage(call.platform, call.organization_id, readable_collections(call))
    return CoverageAnswer(
        tables=[_counted(item) for item in found if isinstance(item, Coverage)],
        uncounted=[
            UncountedTable(name=item.table, code=item.error.code, message=str(item.error))
            for item in found
            if isinstance(item, Uncounted)
        ],
    )


def _counted(item: Coverage) -> TableCoverage:
    return TableCoverage(
        name=item.table,
        records=item.records,
        embedded=item.embedded,
        pending=item.pending,
        failed=item.failed,
        stale=item.stale,
        missing=item.missing,
        oldest_pending_age_seconds=item.oldest_pending_seconds,
        counted_at=to_iso(item.counted_at),
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/embeddings/coverage",
        name="embeddings.coverage",
        summary="Count the embedded, pending, failed, stale and missing records of each table.",
        handler=get_coverage,
        response=CoverageAnswer,
    ),
)
