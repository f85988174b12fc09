"""The visible vectors of an index in memory, and the exact search over them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from local.vectorize.metadata_index import IndexedValue
    from local.vectorize.store import Float32Array, StoredVector

_FIRST_CAPACITY: Final = 256


@dataclass(frozen=True)
class Entry:
    """A visible vector without its components."""

    id: str
    namespace: str | None
    metadata: Mapping[str, Any] | None
    indexed: Mapping[str, IndexedValue]


@dataclass(frozen=True)
class Scored:
    """An entry with its cosine to the query, from -1 to 1."""

    entry: Entry
    score: float


class VectorMatrix:
    """Unit vectors as float32 rows. The last row moves into the place of a deleted one."""

    def __init__(self, dimensions: int) -> None:
        self._rows: Float32Array = np.zeros((_FIRST_CAPACITY, dimensions), dtype=np.float32)
        self._entries: list[Entry] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, vector_id: object) -> bool:
        return vector_id in self._row_of

    def entries(self) -> list[Entry]:
        """All entries."""
        return list(self._entries)

    def get(self, vector_id: str) -> Entry | None:
        """The entry of this id; None if there is none."""
        row = self._row_of.get(vector_id)
        return None if row is None else self._entries[row]

    def put(self, vector: StoredVector) -> None:
        """Add a vector, or replace the vector of its id."""
        entry = Entry(vector.id, vector.namespace, vector.metadata, vector.indexed)
        row = self._row_of.get(vector.id)
        if row is None:
            row = len(self._entries)
            self._entries.append(entry)
            self._row_of[vector.id] = row
            if row == len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        else:
            self._entries[row] = entry
        self._rows[row] = _unit(vector.values)

    def discard(self, vector_id: str) -> None:
        """Remove a vector if it exists."""
        row = self._row_of.pop(vector_id, None)
        if row is None:
            return
        last = self._entries.pop()
        if last.id != vector_id:
            self._entries[row] = last
            self._row_of[last.id] = row
            self._rows[row] = self._rows[len(self._entries)]

    def search(
        self, query: Float32Array, top_k: int, accepts: Callable[[Entry], bool], noise: float = 0.0
    ) -> list[Scored]:
        """The `top_k` nearest vectors that `accepts` takes, best first, ties by id.

        `noise` changes each score by at most that much, as an approximate index may. The change
        depends on id and query only, and the order follows the changed scores.
        """
        rows = [row for row, entry in enumerate(self._entries) if accepts(entry)]
        if not rows:
            return []
        unit = _unit(query)
        scores: NDArray[np.float64] = (self._rows[: len(self._entries)] @ unit)[rows].astype(
            np.float64
        )
        if noise:
            seed = zlib.crc32(unit.tobytes())
            scores += [noise * _wobble(self._entries[row].id, seed) for row in rows]
        np.clip(scores, -1.0, 1.0, out=scores)
        candidates = np.arange(len(rows))
        if len(rows) > top_k:
            candidates = np.flatnonzero(scores >= np.partition(scores, -top_k)[-top_k])
        best = sorted(
            (Scored(self._entries[rows[place]], float(scores[place])) for place in candidates),
            key=lambda scored: (-scored.score, scored.entry.id),
        )
        return best[:top_k]


def _unit(values: Float32Array) -> Float32Array:
    length = float(np.linalg.norm(values.astype(np.float64)))
    unit: Float32Array = (values / length if length else values).astype(np.float32)
    return unit


def _wobble(vector_id: str, seed: int) -> float:
    """A number from -1 to 1 that depends on the arguments only."""
    return zlib.crc32(vector_id.encode(), seed) / 0xFFFF_FFFF * 2 - 1
