"""Vectors and pending mutations on disk, in one SQLite file for all indexes.

A write first goes into a log. When it is due it moves to the table of vectors. Both happen in
transactions, so an accepted write survives a crash, and writes become visible in order.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from local.failures import StartError
from local.vectorize.limits import compact_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from local.vectorize.index_config import IndexConfig
    from local.vectorize.metadata_index import IndexedValue

Float32Array = NDArray[np.float32]
"""A vector `[dimensions]`, or several `[n, dimensions]`."""

MutationKind = Literal["insert", "upsert", "delete"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS indexes (
  name TEXT PRIMARY KEY, dimensions INTEGER NOT NULL, mutation TEXT, mutation_at REAL
);
CREATE TABLE IF NOT EXISTS metadata_indexes (
  index_name TEXT NOT NULL, property TEXT NOT NULL, type TEXT NOT NULL,
  PRIMARY KEY (index_name, property)
);
CREATE TABLE IF NOT EXISTS vectors (
  index_name TEXT NOT NULL, id TEXT NOT NULL, namespace TEXT, metadata TEXT, indexed TEXT NOT NULL,
  embedding BLOB NOT NULL, PRIMARY KEY (index_name, id)
);
CREATE TABLE IF NOT EXISTS mutations (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, index_name TEXT NOT NULL, id TEXT NOT NULL,
  kind TEXT NOT NULL, visible_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS mutations_by_index ON mutations (index_name, sequence);
CREATE TABLE IF NOT EXISTS mutation_vectors (
  sequence INTEGER NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, namespace TEXT,
  metadata TEXT, indexed TEXT, embedding BLOB, PRIMARY KEY (sequence, position)
);
"""
_MOVE: Final = {
    "insert": """
        INSERT OR IGNORE INTO vectors
        SELECT ?1, id, namespace, metadata, indexed, embedding
        FROM mutation_vectors WHERE sequence = ?2 ORDER BY position""",
    "upsert": """
        INSERT OR REPLACE INTO vectors
        SELECT ?1, id, namespace, metadata, indexed, embedding
        FROM mutation_vectors WHERE sequence = ?2 ORDER BY position""",
    "delete": """
        DELETE FROM vectors WHERE index_name = ?1
        AND id IN (SELECT id FROM mutation_vectors WHERE sequence = ?2)""",
}


@dataclass(frozen=True)
class StoredVector:
    """A vector. `indexed` has its values in the metadata indexes that existed at the write."""

    id: str
    values: Float32Array
    namespace: str | None
    metadata: Mapping[str, Any] | None
    indexed: Mapping[str, IndexedValue]


@dataclass(frozen=True)
class VectorMutation:
    """An accepted write: the vectors of an insert or upsert, or the ids of a delete."""

    id: str
    kind: MutationKind
    vectors: Sequence[StoredVector] = ()
    ids: Sequence[str] = ()


@dataclass(frozen=True)
class Progress:
    """The last visible mutation, and when it became visible (seconds since 1970)."""

    mutation: str
    at: float


class VectorStore:
    """The SQLite file. Several threads may use it. Without a `path` it is in memory.

    Raises:
        StartError: the file cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path or ":memory:", check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            message = f"The local vectors in {path} cannot be opened ({error}); delete the file."
            raise StartError(message) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def open_index(self, config: IndexConfig) -> None:
        """Create the index and its new metadata indexes. Drop those that `config` does not name.

        A new metadata index covers later writes only, as on Cloudflare.

        Raises:
            StartError: the index on disk has other dimensions.
        """
        with self._transaction() as run:
            row = run("SELECT dimensions FROM indexes WHERE name = ?", config.name).fetchone()
            if row is None:
                run("INSERT INTO indexes VALUES (?, ?, NULL, NULL)", config.name, config.dimensions)
            elif row[0] != config.dimensions:
                message = (
                    f"The index {config.name} on disk has {row[0]} dimensions, not "
                    f"{config.dimensions}: delete the local state, or give the index a new name."
                )
                raise StartError(message)
            known = dict(
                run("SELECT property, type FROM metadata_indexes WHERE index_name = ?", config.name)
            )
            for name in known.keys() - {
                name for name, kind in config.metadata_indexes.items() if known.get(name) == kind
            }:
                self._drop_metadata_index(config.name, name)
            for name, kind in config.metadata_indexes.items():
                run(
                    "INSERT OR IGNORE INTO metadata_indexes VALUES (?, ?, ?)",
                    config.name,
                    name,
                    kind,
                )

    def record(self, index: str, mutation: VectorMutation, visible_at: float) -> None:
        """Add a mutation to the log, due at `visible_at` but never before an earlier one."""
        with self._transaction() as run:
            latest = run(
                "SELECT max(visible_at) FROM mutations WHERE index_name = ?", index
            ).fetchone()[0]
            sequence = run(
                "INSERT INTO mutations (index_name, id, kind, visible_at) VALUES (?, ?, ?, ?)",
                index,
                mutation.id,
                mutation.kind,
                visible_at if latest is None else max(visible_at, latest),
            ).lastrowid
            for position, vector in enumerate(mutation.vectors):
                run(
                    "INSERT INTO mutation_vectors VALUES (?, ?, ?, ?, ?, ?, ?)",
                    sequence,
                    position,
                    *_columns(vector),
                )
            for position, vector_id in enumerate(mutation.ids):
                run(
                    "INSERT INTO mutation_vectors (sequence, position, id) VALUES (?, ?, ?)",
                    sequence,
                    position,
                    vector_id,
                )

    def apply_due(self, index: str, now: float) -> list[VectorMutation]:
        """Make the mutations that are due visible, in order. Returns them."""
        with self._lock:
            if not self._due(index, now):
                return []
            with self._transaction() as run:
                due = self._due(index, now)
                applied: list[VectorMutation] = []
                for sequence, mutation_id, kind, visible_at in due:
                    applied.append(self._mutation(sequence, mutation_id, kind))
                    run(_MOVE[kind], index, sequence)
                    run("DELETE FROM mutation_vectors WHERE sequence = ?", sequence)
                    run("DELETE FROM mutations WHERE sequence = ?", sequence)
                    run(
                        "UPDATE indexes SET mutation = ?, mutation_at = ? WHERE name = ?",
                        mutation_id,
                        visible_at,
                        index,
                    )
                return applied

    def vectors(self, index: str) -> list[StoredVector]:
        """Every visible vector of an index."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, namespace, metadata, indexed, embedding FROM vectors "
                "WHERE index_name = ?",
                (index,),
            )
            return [_vector(row) for row in rows]

    def values(self, index: str, ids: Sequence[str]) -> dict[str, Float32Array]:
        """The components, `[dimensions]`, of the visible vectors among `ids`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, embedding FROM vectors WHERE index_name = ?1 "
                "AND id IN (SELECT value FROM json_each(?2))",
                (index, json.dumps(list(ids))),
            )
            return {row[0]: np.frombuffer(row[1], dtype="<f4") for row in rows}

    def progress(self, index: str) -> Progress | None:
        """The last visible mutation; None before the first one."""
        with self._lock:
            row = self._connection.execute(
                "SELECT mutation, mutation_at FROM indexes WHERE name = ?", (index,)
            ).fetchone()
            return None if row is None or row[0] is None else Progress(*row)

    def pending(self, index: str) -> int:
        """The number of mutations that are not visible yet."""
        with self._lock:
            count: int = self._connection.execute(
                "SELECT count(*) FROM mutations WHERE index_name = ?", (index,)
            ).fetchone()[0]
            return count

    def clear(self, index: str) -> None:
        """Drop the vectors and pending mutations of an index. The index stays."""
        with self._transaction() as run:
            run(
                "DELETE FROM mutation_vectors WHERE sequence IN "
                "(SELECT sequence FROM mutations WHERE index_name = ?)",
                index,
            )
            run("DELETE FROM mutations WHERE index_name = ?", index)
            run("DELETE FROM vectors WHERE index_name = ?", index)

    def _due(self, index: str, now: float) -> list[tuple[int, str, MutationKind, float]]:
        return self._connection.execute(
            "SELECT sequence, id, kind, visible_at FROM mutations "
            "WHERE index_name = ? AND visible_at <= ? ORDER BY sequence",
            (index, now),
        ).fetchall()

    def _mutation(self, sequence: int, mutation_id: str, kind: MutationKind) -> VectorMutation:
        rows = self._connection.execute(
            "SELECT id, namespace, metadata, indexed, embedding FROM mutation_vectors "
            "WHERE sequence = ? ORDER BY position",
            (sequence,),
        ).fetchall()
        if kind == "delete":
            return VectorMutation(mutation_id, kind, ids=[row[0] for row in rows])
        return VectorMutation(mutation_id, kind, vectors=[_vector(row) for row in rows])

    def _drop_metadata_index(self, index: str, name: str) -> None:
        path = f'$."{name}"'
        self._connection.execute(
            "DELETE FROM metadata_indexes WHERE index_name = ? AND property = ?", (index, name)
        )
        self._connection.execute(
            "UPDATE vectors SET indexed = json_remove(indexed, ?) WHERE index_name = ?",
            (path, index),
        )
        self._connection.execute(
            "UPDATE mutation_vectors SET indexed = json_remove(indexed, ?) WHERE sequence IN "
            "(SELECT sequence FROM mutations WHERE index_name = ?)",
            (path, index),
        )

    @contextmanager
    def _transaction(self) -> Iterator[_Run]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._run
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _run(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)


if TYPE_CHECKING:
    from typing import Protocol

    class _Run(Protocol):
        def __call__(self, sql: str, *parameters: object) -> sqlite3.Cursor: ...


def _columns(vector: StoredVector) -> tuple[str, str | None, str | None, str, bytes]:
    metadata = None if vector.metadata is None else compact_json(vector.metadata)
    values = vector.values.astype("<f4").tobytes()
    return vector.id, vector.namespace, metadata, compact_json(vector.indexed), values


def _vector(row: tuple[str, str | None, str | None, str, bytes]) -> StoredVector:
    vector_id, namespace, metadata, indexed, values = row
    return StoredVector(
        id=vector_id,
        values=np.frombuffer(values, dtype="<f4"),
        namespace=namespace,
        metadata=None if metadata is None else json.loads(metadata),
        indexed=json.loads(indexed),
    )
