"""The records nearest to a vector: the one place that reads an index, and the fences around it.

Four fences keep a search in its organization: the organization is hashed into every vector's id, it
is a condition of the query, each match is asserted to carry it, and D1 is asked for the record in
that organization only.

Vectorize proposes and D1 disposes. The index names candidates; D1 says which of them are still
there and meet the filter. What the index does not show yet is compared from D1, and so is what is
not embedded yet. Where too little of what the index named is kept, the search looks again with the
most that the index gives, and then says that it is degraded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.index_progress import CLOCK_SKEW, follow_indexes
from cognate.embedding.sketches import nearest_chunks, sketch
from cognate.embedding.vector_checks import QueryVector
from cognate.errors import ConfigurationError, DatabaseError, VectorIndexError
from cognate.events import emit
from cognate.ids import parse_vector_id
from cognate.ports import FLOAT32_BYTES, MAX_TOP_K, IndexMatch, Row, Statement
from cognate.search.candidates import (
    MAX_SKETCHES,
    PARTS,
    read_index,
    read_matched,
    read_recent,
    read_sketches,
    read_stale,
)
from cognate.search.pending import Pending, embed_pending, read_pending
from cognate.times import from_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from cognate.ports import Platform, Scalar, VectorIndex, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection
    from cognate.search.filters import Filter

SKETCHED_CHUNKS: Final = 16
"""Chunks that the sketches choose to be compared exactly, beside one for each wanted record."""

FOLLOW_AFTER: Final = timedelta(seconds=15)
"""A search that has to compare sketches looks how far the index is, unless somebody just did."""

RANGES_UP_TO: Final = 5_000_000
"""Vectors of an index up to which its range filters are trusted: Cloudflare calls them less
accurate from about 10 million on."""

INDEX_UNAVAILABLE: Final = "VECTORIZE_UNAVAILABLE"
TOO_MANY_RECENT: Final = "RECENT_RECORDS_NOT_COMPARED"
TOO_MANY_PENDING: Final = "PENDING_RECORDS_NOT_COMPARED"
CROWDED_OUT: Final = "INDEX_RESULTS_CROWDED_OUT"
STALE_VECTORS: Final = "RECORDS_OF_ANOTHER_MODEL_NOT_COMPARED"


@dataclass(frozen=True)
class Match:
    """A record near to the query.

    Attributes:
        id: of the record; of the job, for a text without a table.
        score: the exact cosine of its nearest chunk, in -1 to 1.
        metadata: by JSON name, as D1 has it now.
        chunk: where the nearest chunk lies in the text that was embedded: (start, end) characters.
    """

    id: str
    score: float
    metadata: Mapping[str, Scalar]
    chunk: tuple[int, int]


@dataclass(frozen=True)
class Nearest:
    """What a search found.

    Attributes:
        matches: each record once, best first; ties by id.
        degraded: why something near may be missing; None when nothing is.
        best_is_certain: whether nothing that is missing can be nearer than the best match.
        pending: records that were accepted and not embedded when the search looked, at most 1,000.
    """

    matches: list[Match] = field(default_factory=list)
    degraded: str | None = None
    best_is_certain: bool = True
    pending: int = 0


@dataclass(frozen=True)
class _Search:
    """What stays the same during one search.

    Attributes:
        started: before the first query of the index, by any machine's clock.
        wanted: records that the caller will use.
        without: a record to leave out.
    """

    platform: Platform
    collection: Collection
    organization_id: OrganizationId
    query: Vectors
    vector: QueryVector
    filter: Filter
    wanted: int
    without: str | None
    started: datetime

    @property
    def index(self) -> VectorIndex:
        binding = self.collection.model.index_binding
        index = self.platform.indexes.get(binding)
        if index is None:
            raise ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")
        return index

    def read_matched(self, keys: Sequence[Mapping[str, Any]]) -> Statement:
        return read_matched(self.collection, self.organization_id, keys, self.started)

    def compare(self, rows: Sequence[Row]) -> Iterator[Match]:
        """Matches of the vectors in rows, one for each chunk that meets the filter."""
        size = self.collection.model.dimensions * FLOAT32_BYTES
        for row in rows:
            if row["record_id"] == self.without:
                continue
            fields = {column: row[f"field_{column}"] for column in self.collection.metadata}
            metadata = self.collection.metadata_of(fields)
            if not self.filter.matches(metadata):
                continue
            data = bytes.fromhex(row["vectors"])
            chunks = json.loads(row["chunks"])
            for position in range(len(data) // size):
                number = row["first"] + position
                if number < len(chunks):
                    score = self.vector.cosine(data[position * size : (position + 1) * size])
                    yield Match(row["record_id"], score, metadata, tuple(chunks[number]))


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
    """Find the records of the organization nearest to the first vector of `query`.

    An index that fails makes the answer degraded, not an error: what it does not show is still
    compared.

    Args:
        platform: the ports.
        collection: what is searched.
        organization_id: within which organization.
        query: checked; its first vector is the query.
        filter: over the collection's metadata.
        wanted: how many records the caller will use; 1 or more.
        without: a record to leave out, because it is the one that is compared.

    Raises:
        InvalidInput: the filter is too long.
        ConfigurationError: the deployment lacks the index's binding.
        DatabaseError: D1 failed.
    """
    data = query.float32()[: collection.model.dimensions * FLOAT32_BYTES]
    search = _Search(
        platform,
        collection,
        organization_id,
        query,
        QueryVector(data),
        filter,
        wanted,
        without,
        platform.clock.now() - CLOCK_SKEW,
    )
    scope = (collection, organization_id)
    named = await _ask_index(search, filter, min(MAX_TOP_K, 2 * wanted + 10))
    matched, recent, stale, waiting, index = await platform.database.batch(
        [
            search.read_matched(named.keys),
            read_recent(*scope, search.started, filter),
            read_stale(*scope),
            read_pending(*scope, filter),
            read_index(collection),
        ]
    )
    reasons = [named.problem, STALE_VECTORS if stale else None]
    if any(row["left_out"] for row in recent):
        recent, problem = await _by_sketches(search, data, index)
        reasons.append(problem)
    pending = await embed_pending(platform, *scope, waiting)
    reasons.append(None if pending.is_complete else TOO_MANY_PENDING)
    replaced = pending.replaced
    unshown = [
        *(match for match in search.compare(recent) if match.id not in replaced),
        *_compare_pending(search, pending),
    ]
    found = _Found(named, matched, _rank(search, matched, unshown, replaced))
    found, problem = await _look_again(search, found, unshown, replaced, index)
    given = [reason for reason in (*reasons, problem) if reason is not None]
    return Nearest(
        found.ranked,
        given[0] if given else None,
        best_is_certain=not given or (given == [CROWDED_OUT] and found.nearest_seen(1)),
        pending=pending.count,
    )


@dataclass(frozen=True)
class _Named:
    """What an index named.

    Attributes:
        keys: of chunks of the caller's organization and collection, best first.
        floor: what is not named has no higher score than this; None where all there is was named.
        problem: why the index could not be asked.
    """

    keys: list[dict[str, Any]]
    floor: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Found:
    """What is known after a look: what the index named, what D1 has of it, and the ranking."""

    named: _Named
    matched: Sequence[Row]
    ranked: list[Match]

    def nearest_seen(self, count: int) -> bool:
        """Whether the first `count` records of the ranking are the nearest there are.

        A record that was not named is no nearer than the last one that was named. So a record
        counts that is at least as near as that one, or was named and is still as the index shows
        it.
        """
        if self.named.floor is None:
            return True
        shown = {row["record_id"] for row in self.matched if row["shown"]}
        seen = [item for item in self.ranked if item.score >= self.named.floor or item.id in shown]
        return len(seen) >= count


async def _ask_index(search: _Search, filter: Filter, top_k: int) -> _Named:  # noqa: A002
    """Ask the index for the nearest chunks."""
    conditions = filter.with_scope(search.organization_id, search.collection.scope)
    try:
        found = await search.index.query(search.query, top_k=top_k, conditions=conditions)
    except VectorIndexError as error:
        emit("search.index_failed", code=error.code)
        return _Named([], problem=INDEX_UNAVAILABLE)
    floor = found[-1].score if len(found) >= top_k else None
    return _Named(list(_own(found, conditions)), floor)


async def _look_again(
    search: _Search,
    found: _Found,
    unshown: Sequence[Match],
    replaced: AbstractSet[str],
    index: Sequence[Row],
) -> tuple[_Found, str | None]:
    """Ask the index for the most it gives, where D1 kept too little of what it named.

    Large indexes are asked without range filters, in which they may lose records.

    Returns:
        What is known then; and why something near may be missing.
    """
    filter = search.filter  # noqa: A001 - the field's word
    distrusted = filter.has_ranges and any(row["vectors"] >= RANGES_UP_TO for row in index)
    if not distrusted and found.nearest_seen(search.wanted):
        return found, None
    named = await _ask_index(search, filter.without_ranges() if distrusted else filter, MAX_TOP_K)
    if named.problem is not None:
        return found, named.problem
    [matched] = await search.platform.database.batch([search.read_matched(named.keys)])
    found = _Found(named, matched, _rank(search, matched, unshown, replaced))
    return found, None if found.nearest_seen(search.wanted) else CROWDED_OUT


async def _by_sketches(
    search: _Search, query: bytes, index: Sequence[Row]
) -> tuple[list[Row], str | None]:
    """The nearest of what the index does not show yet, chosen by their sketches.

    Returns:
        Rows with their vectors; and why something may be missing.
    """
    problem = None
    row = await _read_sketches(search, MAX_SKETCHES + 1)
    while row["chunks"] > row["most"]:
        problem = TOO_MANY_RECENT
        row = await _read_sketches(search, row["records"] * row["most"] // row["chunks"])
    if row["missing"]:
        problem = TOO_MANY_RECENT
    parts = [number for number in range(len(PARTS) - 1) if row[f"keys{number}"] is not None]
    keys = ",".join(row[f"keys{number}"] for number in parts).split(",")
    sketches = "".join(row[f"sketches{number}"] for number in parts)
    chosen = nearest_chunks(sketch(query), sketches, keys, SKETCHED_CHUNKS + search.wanted)
    [rows] = await search.platform.database.batch([search.read_matched(chosen)])
    await _follow(search, index)
    return rows, problem


async def _read_sketches(search: _Search, limit: int) -> Row:
    scope = (search.collection, search.organization_id, search.started, search.filter)
    [[row]] = await search.platform.database.batch([read_sketches(*scope, limit)])
    return row


async def _follow(search: _Search, index: Sequence[Row]) -> None:
    """Look how far the index is, so that the next search has less to compare.

    This search has its answer, whatever becomes of the look.
    """
    now = search.platform.clock.now()
    if any(from_iso(row["observed_at"]) + FOLLOW_AFTER > now for row in index):
        return
    try:
        await follow_indexes(search.platform)
    except DatabaseError as error:
        emit("search.index_not_followed", error=error.code)


def _rank(
    search: _Search, matched: Sequence[Row], unshown: Sequence[Match], replaced: AbstractSet[str]
) -> list[Match]:
    """Each record once, by its best chunk; a replaced one is not matched by stored vectors."""
    best: dict[str, Match] = {}
    for match in (
        *(match for match in search.compare(matched) if match.id not in replaced),
        *unshown,
    ):
        if match.id not in best or best[match.id].score < match.score:
            best[match.id] = match
    return sorted(best.values(), key=lambda match: (-match.score, match.id))


def _compare_pending(search: _Search, pending: Pending) -> Iterator[Match]:
    size = search.collection.model.dimensions * FLOAT32_BYTES
    if not pending.works:
        return
    data = pending.works[0].placed[0].vectors.float32()
    for work in pending.works:
        task = work.task
        if task.record_id == search.without or not search.filter.matches(task.metadata):
            continue
        for part, place in zip(work.chunks, work.placed, strict=True):
            start = place.position * size
            score = search.vector.cosine(data[start : start + size])
            yield Match(task.record_id, score, task.metadata, (part.start, part.end))


def _own(found: Sequence[IndexMatch], conditions: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of matches that carry the caller's organization and the collection.

    They are compared as the index holds them: of a long name, it answers the first 64 bytes.
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
