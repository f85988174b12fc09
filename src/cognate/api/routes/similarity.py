"""Searching by meaning: the similarity services of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from cognate.api.route import Call, Route
from cognate.api.wire import (
    AnswerModel,
    Cosine,
    Identifier,
    JsonObject,
    OnlyIfGiven,
    OnlyIfSo,
    RequestModel,
    Text,
)
from cognate.records.permissions import require_searchable
from cognate.schema.similarities import MAX_LIMIT
from cognate.search import embed, find_with_gray_zone, search
from cognate.search.classification import Classification
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.schema import Similarity
    from cognate.search import SearchResult


class SearchRequest(RequestModel):
    """A search by text, or by a record that is there; what is left out is the service's own."""

    query: Text | None = None
    id: Identifier | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None = None
    threshold: Cosine | None = None
    filter: JsonObject | None = None

    @model_validator(mode="after")
    def _query_or_id(self) -> Self:
        if self.query is None and self.id is None:
            refuse_field("/query", "is required, or the id of a record in its place")
        if self.query is not None and self.id is not None:
            refuse_field("/id", "must be left out where a query is given")
        return self


class GrayZoneRequest(RequestModel):
    """A search that splits what is certain from what is not; `min` is not above `max`."""

    query: Text
    min: Cosine | None = None
    max: Cosine | None = None
    filter: JsonObject | None = None


class EmbedRequest(RequestModel):
    """A text whose vector is wanted."""

    query: Text


class ThresholdsAnswer(AnswerModel):
    """The least cosine of each class."""

    duplicate: float
    confirms: float
    related: float


class GrayZoneBounds(AnswerModel):
    """From `min` up to but without `max` a match is uncertain."""

    min: float
    max: float


class Service(AnswerModel):
    """A similarity service; `filters` are the fields that a filter may name."""

    name: str
    table: str
    model: str
    thresholds: ThresholdsAnswer
    gray_zone: GrayZoneBounds
    filters: list[str]


class Services(AnswerModel):
    """Every service, in the order of the schema."""

    services: list[Service]


class TextRange(AnswerModel):
    """Part of a text, in characters: from `start` up to but without `end`."""

    start: int
    end: int


class Result(AnswerModel):
    """A record near to the query.

    `score` is the exact cosine of the stored vectors, and `chunk` the part of the record's text
    that is nearest.
    """

    id: str
    score: float
    classification: Classification
    metadata: dict[str, Any]
    chunk: TextRange


class SearchAnswer(AnswerModel):
    """The records near to the query, best first.

    `verdict` is the class of the best, NEW when nothing is near, and null when the search could
    not look; then `degraded` is true, and `reason` says why. `pending` records had been accepted
    and were not embedded yet: the search embedded and compared them, unless it is degraded.
    """

    verdict: Classification | None
    results: list[Result]
    degraded: bool
    reason: str | None
    pending: int


class GrayZoneAnswer(AnswerModel):
    """Matches from the upper bound on, and those between the bounds; each best first.

    `degraded` and `reason` are there only when something near may be missing.
    """

    high_confidence: Annotated[list[Result], Field(alias="high_confidence")]
    gray_zone: Annotated[list[Result], Field(alias="gray_zone")]
    degraded: OnlyIfSo = False
    reason: OnlyIfGiven = None


class EmbedAnswer(AnswerModel):
    """The vector of a text, and the model that made it."""

    vector: list[float]
    dimensions: int
    model: str


async def get_services(call: Call) -> Services:
    """List the services of the schema."""
    return Services(services=[_service(item) for item in call.app.similarities.values()])


async def post_search(call: Call) -> SearchAnswer:
    """Find the records nearest to a text."""
    body, similarity = call.body(SearchRequest), _similarity(call)
    answer = await search(
        call.platform,
        call.organization_id,
        similarity,
        text=body.query,
        record_id=body.id,
        limit=body.limit,
        threshold=body.threshold,
        filter=body.filter,
    )
    return SearchAnswer(
        verdict=answer.verdict,
        results=_results(answer),
        degraded=answer.degraded is not None,
        reason=answer.degraded,
        pending=answer.pending,
    )


async def post_gray_zone(call: Call) -> GrayZoneAnswer:
    """Split the near records into certain and uncertain ones."""
    body, similarity = call.body(GrayZoneRequest), _similarity(call)
    answer = await find_with_gray_zone(
        call.platform,
        call.organization_id,
        similarity,
        text=body.query,
        min=body.min,
        max=body.max,
        filter=body.filter,
    )
    return GrayZoneAnswer(
        high_confidence=_results(answer.high_confidence),
        gray_zone=_results(answer.gray_zone),
        degraded=answer.degraded is not None,
        reason=answer.degraded,
    )


async def post_embed(call: Call) -> EmbedAnswer:
    """Answer the vector of a text."""
    body, similarity = call.body(EmbedRequest), _similarity(call)
    vector = await embed(call.platform, similarity, body.query)
    return EmbedAnswer(vector=vector, dimensions=len(vector), model=_model(similarity))


def _similarity(call: Call) -> Similarity:
    similarity = call.app.similarity(call.parameters["service"])
    require_searchable(call.principal, similarity.table)
    return similarity


def _model(similarity: Similarity) -> str:
    embeddings = similarity.table.embeddings
    assert embeddings is not None, "a similarity has a table with embeddings"  # noqa: S101
    return embeddings.model


def _service(similarity: Similarity) -> Service:
    thresholds, gray_zone = similarity.thresholds, similarity.gray_zone
    return Service(
        name=similarity.name,
        table=similarity.table.name,
        model=_model(similarity),
        thresholds=ThresholdsAnswer(
            duplicate=thresholds.duplicate,
            confirms=thresholds.confirms,
            related=thresholds.related,
        ),
        gray_zone=GrayZoneBounds(min=gray_zone.min, max=gray_zone.max),
        filters=list(similarity.table.metadata),
    )


def _results(results: Sequence[SearchResult]) -> list[Result]:
    return [
        Result(
            id=item.id,
            score=item.score,
            classification=item.classification,
            metadata=dict(item.metadata),
            chunk=TextRange(start=item.chunk[0], end=item.chunk[1]),
        )
        for item in results
    ]


def _post(action: Literal["search", "gray-zone", "embed"]) -> str:
    return f"/api/v1/similarity/{{service}}/{action}"


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/similarity",
        name="similarity.services",
        summary="List the similarity services with their thresholds and filters.",
        handler=get_services,
        response=Services,
    ),
    Route(
        method="POST",
        path=_post("search"),
        name="similarity.search",
        summary="Tell whether a text is new, related, a confirmation or a duplicate.",
        handler=post_search,
        request=SearchRequest,
        response=SearchAnswer,
    ),
    Route(
        method="POST",
        path=_post("gray-zone"),
        name="similarity.gray_zone",
        summary="Split the records near to a text into certain and uncertain ones.",
        handler=post_gray_zone,
        request=GrayZoneRequest,
        response=GrayZoneAnswer,
    ),
    Route(
        method="POST",
        path=_post("embed"),
        name="similarity.embed",
        summary="Answer the vector of a text.",
        handler=post_embed,
        request=EmbedRequest,
        response=EmbedAnswer,
    ),
)
