"""A similarity service at work: search with classification, gray zone, and plain embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from cognate.chunking import first_chunk
from cognate.embedding.vector_checks import checked, rows_of
from cognate.errors import FieldError, InvalidInput
from cognate.schema.similarities import MAX_LIMIT
from cognate.search.classification import Classification, classify
from cognate.search.filters import parse_filter
from cognate.search.nearest import Match, Nearest, nearest
from cognate.search.stored_vector import stored_vector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cognate.models import EmbeddingModel
    from cognate.ports import Platform, Scalar, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema import Similarity, Thresholds
    from cognate.schema.collections import Collection


@dataclass(frozen=True)
class SearchResult:
    """A record near to the text.

    Attributes:
        score: the exact cosine, in -1 to 1.
        classification: by the thresholds of the service.
        chunk: which part of the record's text is nearest: (start, end) in characters.
    """

    id: str
    score: float
    classification: Classification
    metadata: Mapping[str, Scalar]
    chunk: tuple[int, int]


@dataclass(frozen=True)
class SearchAnswer(Sequence[SearchResult]):
    """What a search found: the sequence of its results, best first.

    Attributes:
        verdict: the class of the best match, whatever `threshold` and `limit` left of the list;
            NEW when nothing is near; None when the search could not look everywhere and what it
            saw does not settle it.
        results: best first.
        degraded: why something near may be missing; None when nothing is.
        pending: records that were accepted and not embedded when the search looked. It embedded
            and compared them itself, unless it is degraded; 1,000 means that or more.
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
    """Matches from the zone's upper bound on, and those within it; each best first.

    Attributes:
        degraded: why something near may be missing; None when nothing is.
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
    """Tell what a text, or a record that is there already, is to the organization's records.

    Args:
        platform: the ports.
        organization_id: within which organization.
        similarity: the service.
        text: what to look for. Of a text longer than the model reads, the first chunk.
        record_id: in place of a text: the record whose others are looked for, by its first chunk;
            it costs no AI call, unless its text was changed and is not embedded yet.
        limit: at most this many results, 1 to 50; the service's default when None.
        threshold: no result below this cosine; the service's default when None.
        filter: over the table's metadata, by JSON name.

    Raises:
        InvalidInput: a limit out of range, or a filter that cannot be.
        NotFound: no such record in this organization.
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
        query = await stored_vector(platform, collection, organization_id, record_id)
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
    """Split what is near into certain matches and uncertain ones, at most 50 in all.

    Args:
        platform: the ports.
        organization_id: within which organization.
        similarity: the service.
        text: what to look for.
        min: the zone's lower bound; the service's own when None.
        max: the zone's upper bound, itself certain; the service's own when None.
        filter: over the table's metadata, by JSON name.

    Raises:
        InvalidInput: `min` above `max`, or a filter that cannot be.
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
    """The vector of a text by the service's model: `[dimensions]` numbers.

    Raises:
        InvalidInput: the text is blank.
        EmbedderError: the text could not be embedded.
    """
    [vector] = await embed_all(platform, similarity, [text])
    return vector


async def embed_all(
    platform: Platform, similarity: Similarity, texts: Sequence[str]
) -> list[list[float]]:
    """The vectors of up to 100 texts, by one call of the service's model; see `embed`."""
    return rows_of(await embed_queries(platform, similarity.collection.model, texts))


async def embed_query(platform: Platform, collection: Collection, text: str) -> Vectors:
    """One vector for a text that somebody waits for, checked; see `embed_queries`."""
    return await embed_queries(platform, collection.model, [text])


async def embed_queries(
    platform: Platform, model: EmbeddingModel, texts: Sequence[str], pointer: str = "/query"
) -> Vectors:
    """One vector for each text that somebody waits for, checked, in one call of the model.

    Of a text longer than the model reads the first chunk counts, chosen here rather than cut by
    the model somewhere in a word.

    Args:
        platform: the ports.
        model: of the catalogue.
        texts: as many as one call of the model takes, at most.
        pointer: where the texts stand in the request.

    Raises:
        InvalidInput: a blank text, or more texts than one call takes.
        EmbedderError: the texts could not be embedded.
    """
    if not 1 <= len(texts) <= model.max_texts:
        raise InvalidInput(FieldError(pointer, f"must be 1 to {model.max_texts} texts"))
    for number, text in enumerate(texts):
        if not text.strip():
            place = pointer if len(texts) == 1 else f"{pointer}/{number}"
            raise InvalidInput(FieldError(place, "must be a text that is not blank"))
    firsts = [first_chunk(text, model.max_tokens) for text in texts]
    answer = await platform.embedder.embed(
        model,
        [text[first.start : first.end] for text, first in zip(texts, firsts, strict=True)],
        urgent=True,
    )
    return checked(answer, count=len(texts), model=model)


def _result(match: Match, thresholds: Thresholds) -> SearchResult:
    return SearchResult(
        match.id, match.score, classify(match.score, thresholds), match.metadata, match.chunk
    )


def _verdict(found: Nearest, thresholds: Thresholds) -> Classification | None:
    best = classify(found.matches[0].score, thresholds) if found.matches else Classification.NEW
    if not found.best_is_certain and best is not Classification.DUPLICATE:
        return None  # What was not seen may be nearer; only the highest class cannot change.
    return best
