"""An organization whose records the index does not show yet, and what a full comparison says.

The records go straight into D1's tables, as an import of a minute ago leaves them. Their vectors
lie in topics, so that many are near to each other, as the texts of one organization are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cognate.embedding.sketches import sketch
from cognate.ids import vector_key
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import Statement
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

MODEL: Final = MODELS[DEFAULT_MODEL]
TOPICS: Final = 60
THRESHOLDS: Final = (0.75, 0.85, 0.90)
"""Of the class RELATED, CONFIRMS and DUPLICATE, as `cognate.Thresholds` has them."""

INSERT_CLAIMS: Final = (
    "INSERT INTO claims (organization_id, id, content, embedding) "
    "SELECT ?1, value ->> 'id', 'text', unhex(value ->> 'vector') FROM json_each(?2)"
)
INSERT_STATES: Final = (
    "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, revision, "
    "embedded_revision, content_hash, fingerprint, index_hash, chunks, embedded_at, indexed_at, "
    "sketch) SELECT ?1, 'claims', value ->> 'id', value ->> 'key', 1, 1, 'hash', ?3, 'hash', "
    "'[[0,4]]', ?4, ?4, value ->> 'sketch' FROM json_each(?2)"
)


@dataclass(frozen=True)
class Busy:
    """The vectors of an organization's records, `[n, dimensions]`, each of length 1."""

    organization_id: str
    vectors: Matrix

    @classmethod
    def drawn(cls, organization_id: str, count: int, seed: int) -> Busy:
        """Vectors around the directions of topics, which share one direction themselves."""
        random = np.random.default_rng(seed)

        def directions(number: int) -> Matrix:
            return _unit(random.standard_normal((number, MODEL.dimensions)))

        shared, topics, own = directions(1), directions(TOPICS), directions(count)
        chosen = topics[random.integers(0, TOPICS, count)]
        return cls(organization_id, _unit(0.65 * shared + 0.5 * chosen + 0.55 * own))

    def queries(self, count: int, seed: int) -> Iterator[Matrix]:
        """Vectors whose nearest record is about as near as a threshold."""
        random = np.random.default_rng(seed)
        for _ in range(count):
            near = self.vectors[random.integers(0, len(self.vectors))]
            aside = random.standard_normal(MODEL.dimensions)
            aside = _unit((aside - (aside @ near) * near)[None])[0]
            cosine = random.choice(THRESHOLDS) + random.uniform(-0.02, 0.02)
            yield (cosine * near + np.sqrt(1 - cosine**2) * aside).astype(np.float32)

    def best(self, query: Matrix) -> float:
        """The cosine of the nearest record, by comparing all of them."""
        exact = self._exact @ query.astype(np.float64)
        return float(exact.max() / np.linalg.norm(query.astype(np.float64)))

    @cached_property
    def _exact(self) -> NDArray[np.float64]:
        """The vectors in double precision."""
        return self.vectors.astype(np.float64)

    def verdict(self, query: Matrix) -> str:
        """The class of the nearest record, by comparing all of them."""
        return class_of(self.best(query))

    def statements(self, indexed_at: str) -> Iterator[Statement]:
        """What writes the records, and what is known of their vectors."""
        for records in json_groups([self._record(number) for number in range(len(self.vectors))]):
            yield Statement(INSERT_CLAIMS, (self.organization_id, records))
            yield Statement(
                INSERT_STATES, (self.organization_id, records, MODEL.fingerprint, indexed_at)
            )

    def _record(self, number: int) -> dict[str, str]:
        data, record_id = self.vectors[number].astype("<f4").tobytes(), f"busy{number:06}"
        key = vector_key(self.organization_id, "claims", record_id)
        return {"id": record_id, "key": key, "vector": data.hex(), "sketch": sketch(data)}


def class_of(cosine: float) -> str:
    """The class of a cosine by the default thresholds."""
    names = ("NEW", "RELATED", "CONFIRMS", "DUPLICATE")
    return names[sum(cosine >= threshold for threshold in THRESHOLDS)]


def wrong(verdicts: Sequence[tuple[str | None, str]]) -> int:
    """How many of the verdicts differ from those of a full comparison."""
    return sum(found != expected for found, expected in verdicts)


def _unit(vectors: NDArray[np.floating[Any]]) -> Matrix:
    scaled: Matrix = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled
