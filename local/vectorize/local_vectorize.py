"""Vectorize (version 2) on this machine: exact cosine, metadata indexes, and writes seen later.

Answers have the shapes of the Workers binding. What differs from Cloudflare: scores are exact
unless `score_noise` is set, and the delay of a write is `visibility_seconds`, 0 by default.
"""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from local.vectorize.index_config import IndexConfig
from local.vectorize.input_checks import (
    GivenVector,
    QueryOptions,
    parse_id,
    parse_ids,
    parse_query_options,
    parse_query_vector,
    parse_vectors,
)
from local.vectorize.limits import (
    MAX_IDS_PER_DELETE,
    MAX_IDS_PER_GET,
    MAX_NAMESPACES,
    MAX_VECTORS,
    Operation,
    index_full,
)
from local.vectorize.matrix import VectorMatrix
from local.vectorize.metadata_index import as_metadata, indexed_values
from local.vectorize.store import StoredVector, VectorMutation, VectorStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.vectorize.index_config import MetadataType
    from local.vectorize.matrix import Entry, Scored
    from local.vectorize.store import Float32Array, MutationKind


class LocalVectorize:
    """One Vectorize index; safe to call from several threads.

    Arguments are what JSON gives (lists, dicts, strings, numbers); a call that Cloudflare refuses
    raises `PlatformError` with Cloudflare's sentence, and then nothing was written.

    Args:
        config: the index's name, dimensions and metadata indexes.
        store: the file that has its vectors.
        now: tells the time in seconds since 1970 (UTC); a test passes a clock of its own.
        visibility_seconds: see the attribute.

    Attributes:
        visibility_seconds: after how long a later write is seen by queries. Writes become visible
            in their order, so a shorter delay never overtakes a longer one.
        score_noise: by how much, at most, a score may be off when no values are asked for.
    """

    def __init__(
        self,
        config: IndexConfig,
        store: VectorStore,
        *,
        now: Callable[[], float] = time.time,
        visibility_seconds: float = 0.0,
    ) -> None:
        self.config = config
        self.visibility_seconds = visibility_seconds
        self.score_noise = 0.0
        self._store = store
        self._now = now
        self._lock = threading.RLock()
        self._matrix: VectorMatrix | None = None
        store.open_index(config)

    @classmethod
    def in_memory(
        cls,
        dimensions: int,
        metadata_indexes: Mapping[str, MetadataType] | None = None,
        now: Callable[[], float] = time.time,
    ) -> LocalVectorize:
        """Return an empty index that is forgotten with its last reference."""
        config = IndexConfig("VECTORIZE", "in-memory", dimensions, metadata_indexes or {})
        return cls(config, VectorStore(), now=now)

    def describe(self) -> dict[str, Any]:
        """Return `{vectorCount, dimensions, processedUpToDatetime, processedUpToMutation}`.

        The last two are null until the first mutation is visible.
        """
        with self._lock:
            count = len(self._visible())
            progress = self._store.progress(self.config.name)
        return {
            "vectorCount": count,
            "dimensions": self.config.dimensions,
            "processedUpToDatetime": None if progress is None else _iso(progress.at),
            "processedUpToMutation": None if progress is None else progress.mutation,
        }

    def query(self, vector: object, options: object = None) -> dict[str, Any]:
        """Return `{"matches": [{id, score, values?, metadata?, namespace?}], "count"}`, best first.

        Options: `topK` (5), `returnValues` (false), `returnMetadata` ("none"), `namespace` and
        `filter`.
        """
        values = parse_query_vector(vector, self.config.dimensions)
        return self._query(values, parse_query_options(options))

    def query_by_id(self, vector_id: object, options: object = None) -> dict[str, Any]:
        """Query with the vector of this id, itself included; no matches where there is none.

        The id is looked for in the whole index, whatever the `namespace` option says.
        """
        found = parse_id(Operation.QUERY, vector_id)
        parsed = parse_query_options(options)
        with self._lock:
            self._visible()
            values = self._store.values(self.config.name, [found])
            if found not in values:
                return {"matches": [], "count": 0}
            return self._query(values[found], parsed)

    def insert(self, vectors: object) -> dict[str, str]:
        """Add vectors whose id is not there yet; for the others nothing changes. `{mutationId}`."""
        return self._write(Operation.INSERT, vectors)

    def upsert(self, vectors: object) -> dict[str, str]:
        """Add or replace vectors as a whole; the last of one id wins. `{mutationId}`."""
        return self._write(Operation.UPSERT, vectors)

    def get_by_ids(self, ids: object) -> list[dict[str, Any]]:
        """Return `[{id, values, metadata?, namespace?}]` for those of 20 ids that are there."""
        wanted = parse_ids(Operation.GET, ids, MAX_IDS_PER_GET)
        with self._lock:
            matrix = self._visible()
            values = self._store.values(self.config.name, wanted)
            entries = [entry for entry in map(matrix.get, wanted) if entry is not None]
        return [
            {"id": entry.id, "values": values[entry.id].tolist(), **_labels(entry, entry.metadata)}
            for entry in entries
        ]

    def delete_by_ids(self, ids: object) -> dict[str, str]:
        """Remove at most 100 vectors; ids that are not there are fine. `{mutationId}`."""
        wanted = parse_ids(Operation.DELETE, ids, MAX_IDS_PER_DELETE)
        return self._record(VectorMutation(str(uuid4()), "delete", ids=wanted))

    def entries(self) -> list[Entry]:
        """Return every visible vector without its components: for tests that sweep an index."""
        with self._lock:
            return self._visible().entries()

    def pending(self) -> int:
        """Return how many mutations are not visible yet."""
        with self._lock:
            self._visible()
            return self._store.pending(self.config.name)

    def settle(self) -> None:
        """Make every write visible now, however long it was to wait."""
        with self._lock:
            self._visible(math.inf)

    def clear(self) -> None:
        """Drop all vectors and pending mutations."""
        with self._lock:
            self._store.clear(self.config.name)
            self._matrix = None

    def _query(self, values: Float32Array, options: QueryOptions) -> dict[str, Any]:
        def accepts(entry: Entry) -> bool:
            return (options.namespace is None or entry.namespace == options.namespace) and (
                options.filter is None or options.filter.matches(entry.indexed)
            )

        noise = 0.0 if options.return_values else self.score_noise
        with self._lock:
            found = self._visible().search(values, options.top_k, accepts, noise)
            components: dict[str, Float32Array] = {}
            if options.return_values:
                components = self._store.values(
                    self.config.name, [scored.entry.id for scored in found]
                )
        matches = [_match(scored, options, components) for scored in found]
        return {"matches": matches, "count": len(matches)}

    def _write(self, operation: Operation, vectors: object) -> dict[str, str]:
        given = parse_vectors(operation, vectors, self.config.dimensions)
        stored = [
            StoredVector(
                vector.id,
                vector.values,
                vector.namespace,
                vector.metadata,
                indexed_values(vector.metadata, self.config.metadata_indexes),
            )
            for vector in given
        ]
        with self._lock:
            self._check_room(operation, given)
            kind: MutationKind = "insert" if operation is Operation.INSERT else "upsert"
            return self._record(VectorMutation(str(uuid4()), kind, vectors=stored))

    def _check_room(self, operation: Operation, given: list[GivenVector]) -> None:
        matrix = self._visible()
        if len(matrix) + sum(vector.id not in matrix for vector in given) > MAX_VECTORS:
            raise index_full(operation, "vectors", MAX_VECTORS)
        new = {vector.namespace for vector in given} - {None}
        if (
            new
            and len(new | {entry.namespace for entry in matrix.entries()} - {None}) > MAX_NAMESPACES
        ):
            raise index_full(operation, "namespaces", MAX_NAMESPACES)

    def _record(self, mutation: VectorMutation) -> dict[str, str]:
        self._store.record(self.config.name, mutation, self._now() + self.visibility_seconds)
        return {"mutationId": mutation.id}

    def _visible(self, now: float | None = None) -> VectorMatrix:
        """Return the matrix with every mutation in it whose time has come."""
        applied = self._store.apply_due(self.config.name, self._now() if now is None else now)
        if self._matrix is None:
            self._matrix = VectorMatrix(self.config.dimensions)
            for vector in self._store.vectors(self.config.name):
                self._matrix.put(vector)
            return self._matrix
        for mutation in applied:
            for vector in mutation.vectors:
                if mutation.kind == "upsert" or vector.id not in self._matrix:
                    self._matrix.put(vector)
            for vector_id in mutation.ids:
                self._matrix.discard(vector_id)
        return self._matrix


def _match(
    scored: Scored, options: QueryOptions, components: Mapping[str, Float32Array]
) -> dict[str, Any]:
    match: dict[str, Any] = {"id": scored.entry.id, "score": scored.score}
    if options.return_values:
        match["values"] = components[scored.entry.id].tolist()
    metadata: Mapping[str, Any] | None = None
    if options.return_metadata == "all":
        metadata = scored.entry.metadata
    elif options.return_metadata == "indexed":
        metadata = as_metadata(scored.entry.indexed) or None
    return {**match, **_labels(scored.entry, metadata)}


def _labels(entry: Entry, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    if metadata is not None:
        labels["metadata"] = metadata
    if entry.namespace is not None:
        labels["namespace"] = entry.namespace
    return labels


def _iso(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")
