"""How much of each table is embedded."""

from __future__ import annotations

from typing import Final

from cognate.api.route import Call, Route
from cognate.api.tables import readable_collections
from cognate.api.wire import AnswerModel
from cognate.coverage import coverage


class TableCoverage(AnswerModel):
    """The records of a table, each in exactly one class: `records` is the sum of the next five.

    `embedded` have the vectors they should have (none, where the text is empty); of `pending` ones
    a job is queued or running; of `failed` ones the last word is a failed job; `missing` ones no
    job has looked at; `stale` ones have the vectors of another model or chunker.
    """

    name: str
    records: int
    embedded: int
    pending: int
    failed: int
    stale: int
    missing: int
    oldest_pending_age_seconds: int | None


class CoverageAnswer(AnswerModel):
    """Tables with embeddings that the caller may read, in their order, at one moment."""

    tables: list[TableCoverage]


async def get_coverage(call: Call) -> CoverageAnswer:
    """Count the records of the caller's organization."""
    counted = await coverage(call.platform, call.organization_id, readable_collections(call))
    return CoverageAnswer(
        tables=[
            TableCoverage(
                name=item.table,
                records=item.records,
                embedded=item.embedded,
                pending=item.pending,
                failed=item.failed,
                stale=item.stale,
                missing=item.missing,
                oldest_pending_age_seconds=item.oldest_pending_seconds,
            )
            for item in counted
        ]
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
