"""The records nearest to a vector: the one place that reads an index, and the fences around it.

Four fences keep a search in its organization: the organization is hashed into every vector's id, it
is a condition of the query, each match is asserted to carry it, and D1 is asked for the record in
that organization only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import ConfigurationError, NotEmbedded, NotFound, VectorIndexError
from cognate.events import emit
from cognate.fingerprint import fingerprint
from cognate.ids import parse_vector_id, vector_key
from cognate.ports import FLOAT32_BYTES, MAX_TOP_K, IndexMatch, Row, Statement, StoredVectors
from cognate.times import to_iso
from cognate.vectors import QueryVector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from cognate.collections import Collection
    from cognate.filters import Filter
    from cognate.ports import Platform, Scalar, VectorIndex, Vectors
    from cognate.principal import OrganizationId

VISIBILITY_WINDOW: Final = timedelta(minutes=5)
"""Vectorize shows a write within 2 minutes (99 of 100); what is younger than this is also compared
from D1."""

MAX_RECENT_CHUNKS: Final = 200
"""Vectors of the visibility window that one search compares: about 15 ms of CPU at 768."""

INDEX_UNAVAILABLE: Final = "VECTORIZE_UNAVAILABLE"
TOO_MANY_RECENT: Final = "RECENT_RECORDS_NOT_COMPARED"
CROWDED_OUT: Final = "LONG_RECORDS_TOOK_ALL_PLACES"
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
    """

    matches: list[Match] = field(default_factory=list)
    degraded: str | None = None


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
    """The records of the organization nearest to the first vector of `query`.

    An index that fails makes the answer degraded, not an error: what was embedded in the last
    minutes is still compared.

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
    binding = collection.model.index_binding
    index = platform.indexes.get(binding)
    if index is None:
        raise ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")
    conditions = filter.with_scope(organization_id, collection.scope)
    own = None if without is None else vector_key(organization_id, collection.scope, without)
    keys, degraded = await _propose(index, query, conditions, own=own, wanted=wanted)
    matched, recent, stale = await platform.database.batch(
        [
            _read_matched(collection, organization_id, keys),
            _read_recent(collection, organization_id, platform.clock.now()),
            _read_stale(collection, organization_id),
        ]
    )
    if degraded is None and any(row["left_out"] for row in recent):
        degraded = TOO_MANY_RECENT
    if degraded is None and stale:
        degraded = STALE_VECTORS
    query_vector = QueryVector(query.float32()[: collection.model.dimensions * FLOAT32_BYTES])
    best: dict[str, Match] = {}
    # A recent record is compared with all of its chunks; what the index found of it adds nothing.
    compared = {row["record_id"] for row in recent if not row["left_out"]}
    rest = [row for row in matched if row["record_id"] not in compared]
    for row in (*rest, *recent):
        for match in _compare(row, collection, query_vector, filter):
            if match.id == without:
                continue
            if match.id not in best or best[match.id].score < match.score:
                best[match.id] = match
    ranked = sorted(best.values(), key=lambda match: (-match.score, match.id))
    return Nearest(ranked, degraded)


async def _propose(
    index: VectorIndex,
    query: Vectors,
    conditions: Mapping[str, Any],
    *,
    own: str | None,
    wanted: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """The keys of what the index finds near, and why something may be missing.

    Chunks of one record count as one, and an approximate order is only nearly right: so more is
    asked for than is wanted, and all there may be where one long record takes the places of others.
    """
    keys: list[dict[str, Any]] = []
    for top_k in dict.fromkeys((min(MAX_TOP_K, 2 * wanted + 10), MAX_TOP_K)):
        try:
            found = await index.query(query, top_k=top_k, conditions=conditions)
        except VectorIndexError as error:
            emit("search.index_failed", code=error.code)
            return keys, INDEX_UNAVAILABLE
        keys = list(_own(found, conditions))
        others = {key["key"] for key in keys} - {own}
        if len(found) < top_k or len(others) >= wanted:
            return keys, None
    return keys, CROWDED_OUT


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


def _columns(collection: Collection) -> str:
    return "".join(f', r."{column}" AS "field_{column}"' for column in collection.metadata)


def _join_record(collection: Collection, state: str = "s") -> str:
    """SQL that joins the row `r`, with its vectors, to a state row; none where it was deleted."""
    return (
        f'JOIN "{collection.sql_table}" r ON r.organization_id = {state}.organization_id '
        f'AND r.id = {state}.record_id AND r."{collection.embedding_column}" IS NOT NULL'
        f"{collection.not_deleted} "
    )


def _read_matched(
    collection: Collection, organization_id: OrganizationId, keys: Sequence[Mapping[str, Any]]
) -> Statement:
    """The stored vectors of matched chunks, of records that are still there."""
    size = collection.model.dimensions * FLOAT32_BYTES
    return Statement(
        "SELECT s.record_id, s.chunks, json_each.value ->> 'chunk' AS first, 0 AS left_out, "  # noqa: S608 - names of the schema
        f'hex(substr(r."{collection.embedding_column}", '
        f"1 + (json_each.value ->> 'chunk') * {size}, {size})) AS vectors"
        f"{_columns(collection)} FROM json_each(?3) "
        "JOIN cognate_embeddings s ON s.vector_key = json_each.value ->> 'key' "
        f"{_join_record(collection)}"
        "WHERE s.organization_id = ?1 AND s.scope = ?2 AND s.fingerprint = ?4",
        (organization_id, collection.scope, json.dumps(keys), fingerprint(collection.model)),
    )


def _read_recent(
    collection: Collection, organization_id: OrganizationId, now: datetime
) -> Statement:
    """All stored vectors of what the index may not show yet, the newest first, within bounds.

    A record that does not fit is one row without vectors: the answer says that it was left out.
    """
    return Statement(
        "SELECT s.record_id, s.chunks, 0 AS first, s.running > ?5 AS left_out, "  # noqa: S608 - names of the schema
        f"CASE WHEN s.running <= ?5 THEN hex(r.\"{collection.embedding_column}\") ELSE '' END "
        f"AS vectors{_columns(collection)} FROM (SELECT *, "
        "SUM(json_array_length(chunks)) OVER (ORDER BY embedded_at DESC, record_id) AS running "
        f"FROM (SELECT e.* FROM cognate_embeddings e {_join_record(collection, 'e')}"
        "WHERE e.organization_id = ?1 AND e.scope = ?2 "
        "AND e.embedded_at > ?3 AND e.fingerprint = ?4 "
        # And what has vectors in D1 that the index is not known to have, however old.
        "UNION SELECT e.* FROM cognate_embeddings e INDEXED BY cognate_embeddings_not_indexed "
        f"{_join_record(collection, 'e')}"
        "WHERE e.organization_id = ?1 AND e.scope = ?2 AND e.index_hash IS NULL "
        "AND e.embedded_at IS NOT NULL AND e.fingerprint = ?4 "
        "ORDER BY embedded_at DESC, record_id LIMIT ?5 + 1)) s "
        f"{_join_record(collection)}",
        (
            organization_id,
            collection.scope,
            to_iso(now - VISIBILITY_WINDOW),
            fingerprint(collection.model),
            MAX_RECENT_CHUNKS,
        ),
    )


def _read_stale(collection: Collection, organization_id: OrganizationId) -> Statement:
    """A row where records still have vectors of another model, pooling or chunker.

    Those cannot be compared, so until a backfill has embedded them again nothing can be called new.
    """
    return Statement(
        "SELECT 1 AS stale WHERE EXISTS (SELECT 1 FROM cognate_embeddings "
        "WHERE organization_id = ?1 AND scope = ?2 AND fingerprint < ?3) "
        "OR EXISTS (SELECT 1 FROM cognate_embeddings "
        "WHERE organization_id = ?1 AND scope = ?2 AND fingerprint > ?3)",
        (organization_id, collection.scope, fingerprint(collection.model)),
    )


def _compare(
    row: Row,
    collection: Collection,
    query: QueryVector,
    filter: Filter,  # noqa: A002
) -> Iterator[Match]:
    """Matches of the vectors in a row: one for each chunk it holds."""
    fields = {column: row[f"field_{column}"] for column in collection.metadata}
    metadata = collection.metadata_of(fields)
    if not filter.matches(metadata):
        return
    size = collection.model.dimensions * FLOAT32_BYTES
    data = bytes.fromhex(row["vectors"])
    chunks = json.loads(row["chunks"])
    for position in range(len(data) // size):
        number = row["first"] + position
        if number < len(chunks):
            score = query.cosine(data[position * size : (position + 1) * size])
            start, end = chunks[number]
            yield Match(row["record_id"], score, metadata, (start, end))


async def stored_vector(
    platform: Platform, collection: Collection, organization_id: OrganizationId, record_id: str
) -> Vectors:
    """The first vector that is stored for a record of the organization.

    Raises:
        NotFound: there is no such record in this organization.
        NotEmbedded: it has no vector yet, or none of the model of now.
        DatabaseError: D1 failed.
    """
    size = collection.model.dimensions * FLOAT32_BYTES
    sql = (
        f'SELECT CASE WHEN s.fingerprint = ?4 THEN hex(substr(r."{collection.embedding_column}", '  # noqa: S608 - names of the schema
        f'1, {size})) END AS vector FROM "{collection.sql_table}" r '
        "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
        "AND s.scope = ?2 AND s.record_id = r.id "
        f"WHERE r.organization_id = ?1 AND r.id = ?3{collection.not_deleted}"
    )
    parameters = (organization_id, collection.scope, record_id, fingerprint(collection.model))
    [rows] = await platform.database.batch([Statement(sql, parameters)])
    if not rows:
        message = f"There is no such record in the table {collection.scope!r} of your organization."
        raise NotFound("record", message)
    data = bytes.fromhex(rows[0]["vector"] or "")
    if len(data) != size:
        message = (
            "The record has no vector yet: its job is still open or failed, or its text is empty. "
            "The list of embedding jobs, by its table and id, says which."
        )
        raise NotEmbedded(message)
    return StoredVectors(data, collection.model.dimensions)
