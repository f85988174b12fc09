"""Vectorize (version 2) on this machine, with metadata indexes and delayed visibility of writes.

Answers have the shapes of the Workers binding. Two things differ from Cloudflare: scores are exact
unless `score_noise` is set, and a write becomes visible after `visibility_seconds`, by default 0.
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

    from local.vectorize.index_config import PropertyType
    from local.vectorize.matrix import Entry, Scored
    from local.vectorize.store import Float32Array, MutationKind


class LocalVectorize:
    """One Vectorize index. Several threads may call it.

    Arguments are JSON values (lists, dicts, strings, numbers). A call that Cloudflare refuses
    raises `BindingError` with Cloudflare's sentence and writes nothing.

    Args:
        config: the name, dimensions and metadata indexes.
        store: the file with the vectors.
        now: returns the time in seconds since 1970 (UTC). A test passes its own clock.
        visibility_seconds: see the attribute.

    Attributes:
        visibility_seconds: the delay until queries see a later write. Writes become visible in
            their order, so a write with a shorter delay waits for those before it.
        score_noise: the largest error of a score in a query without values.
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
        metadata_indexes: Mapping[str, PropertyType] | None = None,
        now: Callable[[], float] = time.time,
    ) -> LocalVectorize:
        """An empty index in memory."""
        config = IndexConfig("VECTORIZE", "in-memory", dimensions, metadata_indexes or {})
        return cls(config, VectorStore(), now=now)

    def describe(self) -> dict[str, Any]:
        """Answer `{vectorCount, dimensions, processedUpToDatetime, processedUpToMutation}`.

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
        """Answer `{"matches": [{id, score, values?, metadata?, namespace?}], "count"}`, best first.

        Options: `topK` (5), `returnValues` (false), `returnMetadata` ("none"), `namespace` and
        `filter`.
        """
        values = parse_query_vector(vector, self.config.dimensions)
        return self._query(values, parse_query_options(options))

    def query_by_id(self, vector_id: object, options: object = None) -> dict[str, Any]:
        """Query with the vector of this id, which is a match too. Without it, no matches.

        The id is looked up in the whole index, whatever the `namespace` option says.
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
        """Add the vectors whose id is new. The others do not change. Answer `{mutationId}`."""
        return self._write(Operation.INSERT, vectors)

    def upsert(self, vectors: object) -> dict[str, str]:
        """Add or replace vectors. The last vector of an id wins. Answer `{mutationId}`."""
        return self._write(Operation.UPSERT, vectors)

    def get_by_ids(self, ids: object) -> list[dict[str, Any]]:
        """Answer `[{id, values, metadata?, namespace?}]` for the known ones of at most 20 ids."""
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
        """Remove at most 100 vectors. Unknown ids are ignored. Answer `{mutationId}`."""
        wanted = parse_ids(Operation.DELETE, ids, MAX_IDS_PER_DELETE)
        return self._record(VectorMutation(str(uuid4()), "delete", ids=wanted))

    def entries(self) -> list[Entry]:
        """Every visible vector without its components."""
        with self._lock:
            return self._visible().entries()

    def pending(self) -> int:
        """The number of mutations that are not visible yet."""
        with self._lock:
            self._visible()
            return self._store.pending(self.config.name)

    def settle(self) -> None:
        """Make every write visible now."""
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
        """The matrix with all mutations that are due."""
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
