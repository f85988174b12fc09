"""The route of the raw Vectorize query, within the caller's organization."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cognate.api.routing import Call, Route
from cognate.api.wire import (
    AnswerModel,
    Identifier,
    JsonObject,
    RequestModel,
    Text,
    TextOrAbsent,
    TrueOrAbsent,
)
from cognate.search import query_vectors
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from cognate.search import Nearest

DEFAULT_TOP_K: Final = 5
"""The default of Vectorize."""

MAX_TOP_K: Final = 50
"""Matches of one query: the limit of Vectorize for queries that return all metadata."""

MAX_DIMENSIONS: Final = 1536
"""Components of the longest vector that Vectorize accepts."""


class VectorQuery(RequestModel):
    """A query by vector or by text, over one table or over the texts posted without one.

    Vectors of two models cannot be compared, so `model` selects among those texts. Metadata comes
    from D1, complete and current, so `indexed` and `all` return the same.
    """

    table: Identifier | None = None
    model: Identifier | None = None
    vector: Annotated[list[float], Field(min_length=1, max_length=MAX_DIMENSIONS)] | None = None
    query: Text | None = None
    top_k: Annotated[int, Field(ge=1, le=MAX_TOP_K)] = DEFAULT_TOP_K
    filter: JsonObject | None = None
    return_metadata: Literal["none", "indexed", "all"] = "all"

    @model_validator(mode="after")
    def _vector_or_query(self) -> Self:
        if self.vector is None and self.query is None:
            refuse_field("/query", "is required, or a vector in its place")
        if self.vector is not None and self.query is not None:
            refuse_field("/query", "must be left out where a vector is given")
        return self


class MatchAnswer(AnswerModel):
    """A record near the query, or a posted text, whose id is its job's."""

    id: str
    score: float
    metadata: dict[str, Any]


class MatchesAnswer(AnswerModel):
    """The nearest vectors, best first.

    `degraded` and `reason` are left out unless something near may be missing.
    """

    count: Annotated[int, BeforeValidator(len)] = Field(validation_alias="matches")
    matches: list[MatchAnswer]
    degraded: Annotated[TrueOrAbsent, BeforeValidator(bool)]
    reason: TextOrAbsent = Field(validation_alias="degraded")


async def post_query(call: Call) -> Nearest:
    """Find the vectors nearest to a vector or a text."""
    body = call.body(VectorQuery)
    if body.table is not None:
        table = call.app.table(body.table)
        table.access.require("read", call.principal, table.name)
    found = await query_vectors(
        call.platform,
        call.app,
        call.organization_id,
        table=body.table,
        model=body.model,
        vector=body.vector,
        text=body.query,
        top_k=body.top_k,
        filter=body.filter,
    )
    if body.return_metadata == "none":
        found = replace(found, matches=[replace(match, metadata={}) for match in found.matches])
    return found


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/vectors/query",
        name="vectors.query",
        summary="Find the vectors of your organization nearest to a vector or a text.",
        handler=post_query,
        request=VectorQuery,
        response=MatchesAnswer,
    ),
)
