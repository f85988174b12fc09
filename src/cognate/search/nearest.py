"""Find the records nearest to a vector. This is the only module that queries an index.

Vectorize proposes candidates, and D1 decides. D1 says which records still exist and meet the
filter, and it adds the records that the index does not show yet and those that are not embedded
yet. If D1 keeps too few of the candidates, the search asks the index for as many as it gives. If
that is not enough either, the answer is marked as degraded.

A search is kept inside its organization four times: the organization is hashed into every vector
id, it is a condition of the query, each match must carry it, and D1 is asked for records of this
organization only.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.index_progress import CLOCK_SKEW
from cognate.errors import ConfigurationError, VectorIndexError
from cognate.events import emit
from cognate.ids import parse_vector_id
from cognate.ports import FLOAT32_BYTES, MAX_TOP_K, IndexMatch, Row
from cognate.search.candidates import SearchTarget, read_candidates, read_matched
from cognate.search.pending import Pending, embed_pending
from cognate.search.recent import choose_recent
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.ports import Platform, Scalar, VectorIndex, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection
    from cognate.search.filters import Filter

if sys.version_info >= (3, 12):
    from math import sumprod
else:  # The oldest Python of the host. The Worker runs a newer one.

    def sumprod(left: Sequence[float], right: Sequence[float]) -> float:
        """The inner product of two sequences of the same length."""
        return math.fsum(a * b for a, b in zip(left, right, strict=True))


RANGES_UP_TO: Final = 5_000_000
"""The range filters of an index are trusted up to this many vectors. Cloudflare calls them less
accurate from about 10 million on."""

INDEX_UNAVAILABLE: Final = "VECTORIZE_UNAVAILABLE"
TOO_MANY_RECENT: Final = "RECENT_RECORDS_NOT_COMPARED"
TOO_MANY_PENDING: Final = "PENDING_RECORDS_NOT_COMPARED"
CROWDED_OUT: Final = "INDEX_RESULTS_CROWDED_OUT"
STALE_VECTORS: Final = "RECORDS_OF_ANOTHER_MODEL_NOT_COMPARED"


@dataclass(frozen=True)
class Match:
    """A record near the query.

    Attributes:
        id: of the record; of the job, for a text without a table.
        score: the exact cosine of its nearest chunk, from -1 to 1.
        metadata: by JSON name, as D1 has it now.
        chunk: the place of the nearest chunk in the embedded text, as (start, end) in characters.
    """

    id: str
    score: float
    metadata: Mapping[str, Scalar]
    chunk: tuple[int, int]


@dataclass(frozen=True)
class Nearest:
    """The answer of a search.

    Attributes:
        matches: each record once, best first; ties by id.
        degraded: why something near may be missing; None if nothing is.
        best_is_certain: nothing that may be missing can be nearer than the best match.
        pending: records that were accepted and not embedded yet, at most 1,000.
    """

    matches: list[Match] = field(default_factory=list)
    degraded: str | None = None
    best_is_certain: bool = True
    pending: int = 0


async def nearest(  # noqa: PLR0913 - a query has these parts
    platform: Platform,
    collection: Collection,
    organization_id: OrganizationId,
    query: Vectors,
    *,
    filter: Filter,  # noqa: A002 - the field's word
    wanted: int,
    without: str | None = None,
) -> Nearest:
    """Find the records of the organization that are nearest to the first vector of `query`.

    If the index fails, the answer is degraded. Records that the index would not show are still
    compared.

    Args:
        platform: the ports.
        collection: what is searched.
        organization_id: whose records.
        query: checked vectors; the first one is the query.
        filter: over the collection's metadata.
        wanted: how many records the caller will use; 1 or more.
        without: the id of a record to leave out, because it is the query itself.

    Raises:
        InvalidInput: the filter is too long.
        ConfigurationError: the deployment has no binding for the index.
        DatabaseError: D1 failed.
    """
    target = SearchTarget(
        collection, organization_id, filter, to_iso(platform.clock.now() - CLOCK_SKEW)
    )
    data = query.float32()[: collection.model.dimensions * FLOAT32_BYTES]
    search = _Search(platform, target, query, QueryVector(data), wanted, without)
    # The index proposes.
    named = await _ask_index(search, filter, min(MAX_TOP_K, 2 * wanted + 10))
    # D1 has the vectors of what it named, and what it does not show yet.
    matched, recent, stale, waiting, index = await platform.database.batch(
        read_candidates(target, named.keys)
    )
    reasons = [named.problem, STALE_VECTORS if stale else None]
    if any(row["left_out"] for row in recent):
        recent, is_complete = await choose_recent(platform, target, data, wanted, index)
        reasons.append(None if is_complete else TOO_MANY_RECENT)
    pending = Pending()
    if waiting[0]["records"] or waiting[0]["is_cut"]:
        pending = await embed_pending(platform, target, waiting)
        reasons.append(None if pending.is_complete else TOO_MANY_PENDING)
    unshown = _Unshown(
        [*_compare(search, recent, pending.replaced), *_compare_pending(search, pending)],
        pending.replaced,
    )
    # The exact cosine ranks. If too few candidates are left, the index is asked once more.
    found = _rank(search, named, matched, unshown)
    found, problem = await _look_again(search, found, unshown, index)
    given = [reason for reason in (*reasons, problem) if reason is not None]
    return Nearest(
        found.ranked,
        given[0] if given else None,
        best_is_certain=not given or (given == [CROWDED_OUT] and found.has_nearest(1)),
        pending=pending.count,
    )


@dataclass(frozen=True)
class _Search:
    """The parts of a search that stay the same.

    Attributes:
        vector: the first vector of `query`.
        wanted: how many records the caller will use.
        without: the id of a record to leave out.
    """

    platform: Platform
    target: SearchTarget
    query: Vectors
    vector: QueryVector
    wanted: int
    without: str | None


@dataclass(frozen=True)
class _Named:
    """The chunks that an index named.

    Attributes:
        keys: of chunks of the organization and the collection, best first.
        floor: no other chunk has a higher score than this; None if the index named all.
        problem: why the index could not be asked.
    """

    keys: list[dict[str, Any]]
    floor: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Unshown:
    """The records that the index does not show as they are now.

    Attributes:
        matches: of their current vectors.
        replaced: ids of records whose stored vectors are of an older text.
    """

    matches: Sequence[Match]
    replaced: frozenset[str]


@dataclass(frozen=True)
class _Found:
    """The result of one look: what the index named, the rows that D1 has of it, and the ranking."""

    named: _Named
    matched: Sequence[Row]
    ranked: list[Match]

    def has_nearest(self, count: int) -> bool:
        """Whether the first `count` records of the ranking are the nearest of all.

        A record that was not named is no nearer than the floor. So a ranked record is certain if
        its score is at least the floor, or if it was named and the index shows its current vectors.
        """
        if self.named.floor is None:
            return True
        shown = {row["record_id"] for row in self.matched if row["shown"]}
        sure = [item for item in self.ranked if item.score >= self.named.floor or item.id in shown]
        return len(sure) >= count


async def _ask_index(search: _Search, filter: Filter, top_k: int) -> _Named:  # noqa: A002
    """Ask the index for the nearest chunks."""
    target = search.target
    conditions = filter.with_scope(target.organization_id, target.collection.scope)
    try:
        found = await _index(search).query(search.query, top_k=top_k, conditions=conditions)
    except VectorIndexError as error:
        emit("search.index_failed", code=error.code)
        return _Named([], problem=INDEX_UNAVAILABLE)
    floor = found[-1].score if len(found) >= top_k else None
    return _Named(list(_own(found, conditions)), floor)


def _index(search: _Search) -> VectorIndex:
    binding = search.target.collection.model.index_binding
    index = search.platform.indexes.get(binding)
    if index is None:
        raise ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")
    return index


def _own(found: Sequence[IndexMatch], conditions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of the matches that carry the organization and the collection of the search.

    Both are compared as the index holds them: the first 64 bytes of a long name.
    """
    for match in found:
        parsed = parse_vector_id(match.id)
        if (
            parsed is None
            or match.metadata.get("organizationId") != conditions["organizationId"]
            or match.metadata.get("table") != conditions["table"]
        ):
            emit("search.foreign_match_dropped")
            continue
        yield {"key": parsed[0], "chunk": parsed[1]}


def _compare(search: _Search, rows: Sequence[Row], replaced: frozenset[str]) -> Iterator[Match]:
    """Match each chunk of the rows whose record meets the filter and was not replaced."""
    size = search.target.collection.model.dimensions * FLOAT32_BYTES
    for row in rows:
        if row["record_id"] == search.without or row["record_id"] in replaced:
            continue
        fields = {column: row[f"field_{column}"] for column in search.target.collection.metadata}
        metadata = search.target.collection.metadata_of(fields)
        if not search.target.filter.matches(metadata):
            continue
        data = bytes.fromhex(row["vectors"])
        chunks = json.loads(row["chunks"])
        for position in range(len(data) // size):
            number = row["first"] + position
            if number < len(chunks):
                score = search.vector.cosine(data[position * size : (position + 1) * size])
                yield Match(row["record_id"], score, metadata, tuple(chunks[number]))


def _compare_pending(search: _Search, pending: Pending) -> Iterator[Match]:
    """Match each embedded chunk of the pending records that meet the filter."""
    for chunk in pending.chunks:
        if chunk.record_id != search.without and search.target.filter.matches(chunk.metadata):
            score = search.vector.cosine(chunk.vector)
            yield Match(chunk.record_id, score, chunk.metadata, chunk.place)


def _rank(search: _Search, named: _Named, matched: Sequence[Row], unshown: _Unshown) -> _Found:
    """Rank each record once, by its best chunk."""
    best: dict[str, Match] = {}
    for match in (*_compare(search, matched, unshown.replaced), *unshown.matches):
        if match.id not in best or best[match.id].score < match.score:
            best[match.id] = match
    ranked = sorted(best.values(), key=lambda match: (-match.score, match.id))
    return _Found(named, matched, ranked)


async def _look_again(
    search: _Search, found: _Found, unshown: _Unshown, index: Sequence[Row]
) -> tuple[_Found, str | None]:
    """Ask the index for as many chunks as it gives, if D1 kept too few of those that it named.

    A large index is asked without the range filters, in which it may lose records.

    Returns:
        The last look, and why something near may be missing.
    """
    filter = search.target.filter  # noqa: A001 - the field's word
    is_large = any(row["vectors"] >= RANGES_UP_TO for row in index)
    distrusted = is_large and filter.has_ranges
    if not distrusted and found.has_nearest(search.wanted):
        return found, None
    named = await _ask_index(search, filter.without_ranges() if distrusted else filter, MAX_TOP_K)
    if named.problem is not None:
        return found, named.problem
    [matched] = await search.platform.database.batch([read_matched(search.target, named.keys)])
    found = _rank(search, named, matched, unshown)
    return found, None if found.has_nearest(search.wanted) else CROWDED_OUT


class QueryVector:
    """One vector, prepared to be compared with many.

    Attributes:
        components: float32 values.
    """

    def __init__(self, data: bytes) -> None:
        """Take one vector as little-endian float32 bytes."""
        self.components = from_float32(data)
        self._norm = math.sqrt(sumprod(self.components, self.components))

    def cosine(self, data: bytes) -> float:
        """The cosine with another vector of the same length, from -1 to 1.

        It is computed in double precision from the stored float32 values. It is 0 if either vector
        is all zeros or has a component that is not a finite number.
        """
        other = from_float32(data)
        norm = self._norm * math.sqrt(sumprod(other, other))
        # NaN must be excluded too: bounded to -1..1 it would be 1, and the pair a duplicate.
        if not 0 < norm < math.inf:
            return 0.0
        return max(-1.0, min(1.0, sumprod(self.components, other) / norm))


def from_float32(data: bytes) -> array[float]:
    """The components of little-endian float32 bytes."""
    components = array("f")
    components.frombytes(data)
    if sys.byteorder == "big":
        components.byteswap()
    return components
