"""Routes of the similarity services: search, gray zone, and the vector of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import AliasPath, BeforeValidator, Field, model_validator

from cognate.api.routing import Call, Route
from cognate.api.wire import (
    AnswerModel,
    Cosine,
    Identifier,
    JsonObject,
    RequestModel,
    Text,
    TextOrAbsent,
    TrueOrAbsent,
)
from cognate.schema.similarities import MAX_LIMIT, GrayZone, Thresholds
from cognate.search import embed, find_with_gray_zone, search
from cognate.search.similarity import Classification
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from cognate.schema import Similarity
    from cognate.search import GrayZoneAnswer, SearchAnswer


class SearchRequest(RequestModel):
    """A search by a text or by a stored record. The service has a default limit and threshold."""

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
    """A search that splits certain from uncertain matches. `min` must not be above `max`."""

    query: Text
    min: Cosine | None = None
    max: Cosine | None = None
    filter: JsonObject | None = None


class EmbedRequest(RequestModel):
    """A text to embed."""

    query: Text


class ServiceAnswer(AnswerModel):
    """A similarity service. `filters` are the fields that a filter may name."""

    name: str
    table: str = Field(validation_alias=AliasPath("table", "name"))
    model: str = Field(validation_alias=AliasPath("table", "embeddings", "model"))
    thresholds: Thresholds
    gray_zone: GrayZone
    filters: Annotated[list[str], BeforeValidator(list)] = Field(
        validation_alias=AliasPath("table", "metadata")
    )


class ServicesAnswer(AnswerModel):
    """All services, in the order of the schema."""

    services: list[ServiceAnswer]


class TextRange(AnswerModel):
    """Part of a text, in characters: from `start` up to but without `end`."""

    start: int
    end: int

    @model_validator(mode="before")
    @classmethod
    def _read_pair(cls, value: object) -> object:
        return (
            dict(zip(("start", "end"), value, strict=True)) if isinstance(value, tuple) else value
        )


class ResultAnswer(AnswerModel):
    """A record near the query.

    `score` is the exact cosine of the stored vectors. `chunk` is the part of the record's text that
    is nearest.
    """

    id: str
    score: float
    classification: Classification
    metadata: dict[str, Any]
    chunk: TextRange


class SearchResponse(AnswerModel):
    """The records near the query, best first.

    `verdict` is the class of the best record, NEW if none is near, and null if the search could not
    look. Then `degraded` is true and `reason` says why. `pending` counts records that were accepted
    and not embedded yet. The search embeds and compares them itself, unless it is degraded.
    """

    verdict: Classification | None
    results: list[ResultAnswer]
    degraded: Annotated[bool, BeforeValidator(bool)]
    reason: str | None = Field(validation_alias="degraded")
    pending: int


class GrayZoneResponse(AnswerModel):
    """The records from the upper bound on, and those between the bounds; each list best first.

    `degraded` and `reason` are left out unless something near may be missing.
    """

    high_confidence: list[ResultAnswer] = Field(serialization_alias="high_confidence")
    gray_zone: list[ResultAnswer] = Field(serialization_alias="gray_zone")
    degraded: Annotated[TrueOrAbsent, BeforeValidator(bool)]
    reason: TextOrAbsent = Field(validation_alias="degraded")


class VectorAnswer(AnswerModel):
    """The vector of a text, and the model that made it."""

    vector: list[float]
    dimensions: int
    model: str


async def get_services(call: Call) -> dict[str, object]:
    """List the services of the schema."""
    return {"services": list(call.app.similarities.values())}


async def post_search(call: Call) -> SearchAnswer:
    """Find the records nearest to a text or to a stored record."""
    body = call.body(SearchRequest)
    return await search(
        call.platform,
        call.organization_id,
        _similarity(call),
        text=body.query,
        record_id=body.id,
        limit=body.limit,
        threshold=body.threshold,
        filter=body.filter,
    )


async def post_gray_zone(call: Call) -> GrayZoneAnswer:
    """Split the records near a text into certain and uncertain matches."""
    body = call.body(GrayZoneRequest)
    return await find_with_gray_zone(
        call.platform,
        call.organization_id,
        _similarity(call),
        text=body.query,
        min=body.min,
        max=body.max,
        filter=body.filter,
    )


async def post_embed(call: Call) -> VectorAnswer:
    """Return the vector of a text."""
    similarity = _similarity(call)
    vector = await embed(call.platform, similarity, call.body(EmbedRequest).query)
    embeddings = similarity.table.embeddings
    assert embeddings is not None, "a similarity has a table with embeddings"  # noqa: S101
    return VectorAnswer(vector=vector, dimensions=len(vector), model=embeddings.model)


def _similarity(call: Call) -> Similarity:
    similarity = call.app.similarity(call.parameters["service"])
    similarity.table.access.require("read", call.principal, similarity.table.name)
    return similarity


def _post(action: Literal["search", "gray-zone", "embed"]) -> str:
    return f"/api/v1/similarity/{{service}}/{action}"


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/similarity",
        name="similarity.services",
        summary="List the similarity services with their thresholds and filters.",
        handler=get_services,
        response=ServicesAnswer,
    ),
    Route(
        method="POST",
        path=_post("search"),
        name="similarity.search",
        summary="Classify a text as new, related, a confirmation or a duplicate.",
        handler=post_search,
        request=SearchRequest,
        response=SearchResponse,
    ),
    Route(
        method="POST",
        path=_post("gray-zone"),
        name="similarity.gray_zone",
        summary="Split the records near a text into certain and uncertain matches.",
        handler=post_gray_zone,
        request=GrayZoneRequest,
        response=GrayZoneResponse,
    ),
    Route(
        method="POST",
        path=_post("embed"),
        name="similarity.embed",
        summary="Return the vector of a text.",
        handler=post_embed,
        request=EmbedRequest,
        response=VectorAnswer,
    ),
)
