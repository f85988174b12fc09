"""Find the records most similar to a text or to a stored record, and classify the best match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, overload

from cognate.chunking import first_chunk
from cognate.embedding.embed import checked
from cognate.errors import FieldError, InvalidInput
from cognate.schema.similarities import MAX_LIMIT
from cognate.search.filters import parse_filter
from cognate.search.nearest import Match, Nearest, from_float32, nearest
from cognate.search.pending import vector_or_text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cognate.models import EmbeddingModel
    from cognate.ports import Platform, Scalar, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema import Similarity, Thresholds
    from cognate.schema.collections import Collection


class Classification(StrEnum):
    """How near the best match is, by the thresholds of a service."""

    DUPLICATE = "DUPLICATE"
    CONFIRMS = "CONFIRMS"
    RELATED = "RELATED"
    NEW = "NEW"


@dataclass(frozen=True)
class SearchResult:
    """A record near the query.

    Attributes:
        id: of the record.
        score: the exact cosine, from -1 to 1.
        classification: by the thresholds of the service.
        metadata: of the record, by JSON name.
        chunk: the part of the record's text that is nearest, as (start, end) in characters.
    """

    id: str
    score: float
    classification: Classification
    metadata: Mapping[str, Scalar]
    chunk: tuple[int, int]


@dataclass(frozen=True)
class SearchAnswer(Sequence[SearchResult]):
    """The answer of a search. It is the sequence of its results, best first.

    Attributes:
        verdict: the class of the best match, even if `threshold` or `limit` leaves it out of the
            results. NEW if nothing is near. None if the search could not look everywhere and what
            it saw does not decide.
        results: best first.
        degraded: why something near may be missing; None if nothing is.
        pending: records that were accepted and not embedded yet. The search embedded and compared
            them itself, unless it is degraded. 1,000 means that or more.
    """

    verdict: Classification | None
    results: list[SearchResult]
    degraded: str | None
    pending: int = 0

    def __len__(self) -> int:
        """The number of results."""
        return len(self.results)

    def __iter__(self) -> Iterator[SearchResult]:
        """The results, best first."""
        return iter(self.results)

    @overload
    def __getitem__(self, index: int) -> SearchResult: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SearchResult]: ...

    def __getitem__(self, index: int | slice) -> SearchResult | Sequence[SearchResult]:
        """The result at a position, or a list of those in a slice."""
        return self.results[index]


@dataclass(frozen=True)
class GrayZoneAnswer:
    """The matches from the upper bound of the zone on, and those inside the zone; best first.

    Attributes:
        high_confidence: from the upper bound on.
        gray_zone: from the lower bound up to, but without, the upper bound.
        degraded: why something near may be missing; None if nothing is.
    """

    high_confidence: list[SearchResult]
    gray_zone: list[SearchResult]
    degraded: str | None


async def search(  # noqa: PLR0913 - a search has these parts
    platform: Platform,
    organization_id: OrganizationId,
    similarity: Similarity,
    *,
    text: str | None = None,
    record_id: str | None = None,
    limit: int | None = None,
    threshold: float | None = None,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
) -> SearchAnswer:
    """Find the records most similar to a text or to a stored record, and classify the best match.

    Args:
        platform: the ports.
        organization_id: whose records.
        similarity: the service.
        text: the query. If it is longer than the model reads, its first chunk counts.
        record_id: a stored record in place of a text. Its first chunk is the query, and it is left
            out of the answer. It costs no AI call, unless its text was changed and is not embedded
            yet.
        limit: the most results, 1 to 50; by default the service's own.
        threshold: the least cosine of a result; by default the service's own.
        filter: over the table's metadata, by JSON name.

    Raises:
        InvalidInput: the limit is out of range, or the filter or the text is not valid.
        NotFound: there is no such record in this organization.
        NotEmbedded: the record has no vector yet.
        EmbedderError: the text could not be embedded.
        DatabaseError: D1 failed.
    """
    limit = similarity.default_limit if limit is None else limit
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(FieldError("/limit", f"must be from 1 to {MAX_LIMIT}"))
    threshold = similarity.default_threshold if threshold is None else threshold
    collection = similarity.collection
    conditions = parse_filter(filter or {}, collection.filter_fields)
    query: Vectors | str = text or ""
    if record_id is not None:
        query = await vector_or_text_of(platform, collection, organization_id, record_id)
    if isinstance(query, str):
        query = await embed_query(platform, collection, query)
    found = await nearest(
        platform,
        collection,
        organization_id,
        query,
        filter=conditions,
        wanted=limit,
        without=record_id,
    )
    results = [
        _result(match, similarity.thresholds)
        for match in found.matches[:limit]
        if match.score >= threshold
    ]
    verdict = _verdict(found, similarity.thresholds)
    return SearchAnswer(verdict, results, found.degraded, found.pending)


async def find_with_gray_zone(  # noqa: PLR0913 - a search has these parts
    platform: Platform,
    organization_id: OrganizationId,
    similarity: Similarity,
    *,
    text: str,
    min: float | None = None,  # noqa: A002 - the field's word
    max: float | None = None,  # noqa: A002 - the field's word
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
) -> GrayZoneAnswer:
    """Split the records near a text into certain and uncertain matches, at most 50 in all.

    Args:
        platform: the ports.
        organization_id: whose records.
        similarity: the service.
        text: the query.
        min: the lower bound of the zone; by default the service's own.
        max: the upper bound, from which a match is certain; by default the service's own.
        filter: over the table's metadata, by JSON name.

    Raises:
        InvalidInput: `min` is above `max`, or the filter or the text is not valid.
        EmbedderError: the text could not be embedded.
        DatabaseError: D1 failed.
    """
    lower = similarity.gray_zone.min if min is None else min
    upper = similarity.gray_zone.max if max is None else max
    if lower > upper:
        pointer = "/min" if max is None else "/max"
        raise InvalidInput(
            FieldError(pointer, f"min must not be above max; they are {lower} and {upper}")
        )
    collection = similarity.collection
    conditions = parse_filter(filter or {}, collection.filter_fields)
    query = await embed_query(platform, collection, text)
    found = await nearest(
        platform, collection, organization_id, query, filter=conditions, wanted=MAX_LIMIT
    )
    results = [_result(match, similarity.thresholds) for match in found.matches[:MAX_LIMIT]]
    return GrayZoneAnswer(
        high_confidence=[item for item in results if item.score >= upper],
        gray_zone=[item for item in results if lower <= item.score < upper],
        degraded=found.degraded,
    )


async def embed(platform: Platform, similarity: Similarity, text: str) -> list[float]:
    """Embed a text by the service's model: `[dimensions]` numbers.

    Raises:
        InvalidInput: the text is blank.
        EmbedderError: the text could not be embedded.
    """
    [vector] = await embed_all(platform, similarity, [text])
    return vector


async def embed_all(
    platform: Platform, similarity: Similarity, texts: Sequence[str]
) -> list[list[float]]:
    """Embed up to 100 texts by one call of the service's model; see `embed`."""
    return await embed_now(platform, similarity.collection.model, texts)


async def embed_now(
    platform: Platform, model: EmbeddingModel, texts: Sequence[str], pointer: str = "/query"
) -> list[list[float]]:
    """Embed texts by one call of a model, and store nothing: `[texts][dimensions]` numbers.

    Args:
        platform: the ports.
        model: of the catalogue.
        texts: 1 to `model.max_texts`. Of one longer than the model reads, the first chunk counts.
        pointer: the place of the texts in the request, for messages.

    Raises:
        InvalidInput: a text is blank, or there are too many or none.
        EmbedderError: the texts could not be embedded.
    """
    return rows_of(await _embed_queries(platform, model, texts, pointer))


async def embed_query(platform: Platform, collection: Collection, text: str) -> Vectors:
    """Embed the query of a search: one vector, checked; see `embed_now`."""
    return await _embed_queries(platform, collection.model, [text], "/query")


async def _embed_queries(
    platform: Platform, model: EmbeddingModel, texts: Sequence[str], pointer: str
) -> Vectors:
    if not 1 <= len(texts) <= model.max_texts:
        raise InvalidInput(FieldError(pointer, f"must be 1 to {model.max_texts} texts"))
    for number, text in enumerate(texts):
        if not text.strip():
            place = pointer if len(texts) == 1 else f"{pointer}/{number}"
            raise InvalidInput(FieldError(place, "must be a text that is not blank"))
    # The text is cut here, because the model would cut it somewhere inside a word.
    firsts = [first_chunk(text, model.max_tokens) for text in texts]
    answer = await platform.embedder.embed(
        model,
        [text[first.start : first.end] for text, first in zip(texts, firsts, strict=True)],
        urgent=True,
    )
    return checked(answer, count=len(texts), model=model)


def rows_of(vectors: Vectors) -> list[list[float]]:
    """The numbers of each vector, for a caller who asked for them: `[count][dimensions]`."""
    numbers = from_float32(vectors.float32()).tolist()
    rows, start = [], 0
    for length in vectors.lengths():
        rows.append(numbers[start : start + length])
        start += length
    return rows


def classify(score: float, thresholds: Thresholds) -> Classification:
    """Classify a cosine. A threshold itself belongs to the higher class."""
    if score >= thresholds.duplicate:
        return Classification.DUPLICATE
    if score >= thresholds.confirms:
        return Classification.CONFIRMS
    if score >= thresholds.related:
        return Classification.RELATED
    return Classification.NEW


def _result(match: Match, thresholds: Thresholds) -> SearchResult:
    return SearchResult(
        match.id, match.score, classify(match.score, thresholds), match.metadata, match.chunk
    )


def _verdict(found: Nearest, thresholds: Thresholds) -> Classification | None:
    best = classify(found.matches[0].score, thresholds) if found.matches else Classification.NEW
    if not found.best_is_certain and best is not Classification.DUPLICATE:
        return (
            None  # A record that was not seen may be nearer. Only the highest class cannot change.
        )
    return best
