"""The route that counts how many records of each table are embedded."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AliasPath, BeforeValidator, Field

from cognate.api.embedding_permissions import readable_collections
from cognate.api.routing import Call, Route
from cognate.api.wire import AnswerModel, Time
from cognate.backfill.coverage import Coverage, Uncounted, coverage


class TableCoverage(AnswerModel):
    """The records of a table by class. Each record is in one class, so `records` is their sum.

    - `embedded`: the record has its current vectors, or an empty text, which has none.
    - `pending`: a job for the record is queued or running.
    - `failed`: the last job for the record failed.
    - `missing`: there was no job for the record yet.
    - `stale`: the vectors are of another model, of another chunker or of an older text.

    The counts were exact at `countedAt`, which is now, or up to a minute ago for a large table.
    """

    name: str = Field(validation_alias="table")
    records: int
    embedded: int
    pending: int
    failed: int
    stale: int
    missing: int
    oldest_pending_age_seconds: int | None = Field(validation_alias="oldest_pending_seconds")
    counted_at: Time


class UncountedTable(AnswerModel):
    """A table whose records cannot be counted, and the reason."""

    name: str = Field(validation_alias="table")
    code: str = Field(validation_alias=AliasPath("error", "code"))
    message: Annotated[str, BeforeValidator(str)] = Field(validation_alias="error")


class CoverageAnswer(AnswerModel):
    """The tables with embeddings that the caller may read, in the order of the schema.

    `uncounted` is left out unless a migration was not applied.
    """

    tables: list[TableCoverage]
    uncounted: Annotated[
        list[UncountedTable], Field(exclude_if=lambda found: not found, default_factory=list)
    ]


async def get_coverage(call: Call) -> dict[str, object]:
    """Count the records of the caller's organization."""
    found = await coverage(call.platform, call.organization_id, readable_collections(call))
    return {
        "tables": [item for item in found if isinstance(item, Coverage)],
        "uncounted": [item for item in found if isinstance(item, Uncounted)],
    }


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
