"""What a search must say: every record of an organization compared, one by one, in NumPy.

It knows nothing of indexes, sketches or recency. It reads what was accepted: of a record whose job
is pending, the text that it will be embedded by; of every other one, the vectors that are stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from cognate.chunking import chunk
from cognate.search.similarity import Classification, classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from cognate.ports import Row
    from cognate.schema import Thresholds
    from cognate.schema.collections import Collection
    from cognate.search.filters import Filter
    from local.ai.embedding_spaces import TextEncoder

    Matrix = NDArray[np.floating]

NEARLY: Final = 1e-6
"""Cosines that differ by less are the same: sums are rounded differently."""

EMBEDS: Final = "('queued', 'running')"


class Records(Protocol):
    """A database, at one moment."""

    async def rows(self, sql: str, *parameters: str) -> list[Row]:
        """The rows of one statement."""
        ...


@dataclass(frozen=True)
class Oracle:
    """The records of one collection, and the model that embeds them."""

    records: Records
    encoder: TextEncoder
    collection: Collection

    async def best(self, organization_id: str, text: str, where: Filter) -> float | None:
        """The cosine of the nearest record that meets the filter; None without any."""
        [query] = self._embedded(text)[:1]
        cosines = [
            float(vector @ query / (np.linalg.norm(vector) * np.linalg.norm(query)))
            for row in await self._rows(organization_id)
            if where.matches(self.collection.metadata_of(row))
            for vector in self._vectors(row)
        ]
        return max(cosines, default=None)

    async def verdict(
        self, organization_id: str, text: str, where: Filter, thresholds: Thresholds
    ) -> tuple[Classification, bool]:
        """The class of the nearest record, and whether it is so near to a border that both hold."""
        best = await self.best(organization_id, text, where)
        if best is None:
            return Classification.NEW, False
        low, high = classify(best - NEARLY, thresholds), classify(best + NEARLY, thresholds)
        return classify(best, thresholds), low is not high

    async def _rows(self, organization_id: str) -> list[Row]:
        fields = "".join(f', r."{column}"' for column in self.collection.columns)
        return await self.records.rows(
            f'SELECT r.id, hex(r."{self.collection.embedding_column}") AS vectors, s.posted_text, '  # noqa: S608 - names of the schema
            "s.fingerprint, s.chunks, EXISTS (SELECT 1 FROM cognate_jobs j "
            "WHERE j.organization_id = r.organization_id AND j.scope = ?2 AND j.record_id = r.id "
            f"AND j.embeds AND j.status IN {EMBEDS}) AS pending{fields} "
            f'FROM "{self.collection.sql_table}" r LEFT JOIN cognate_embeddings s '
            "ON s.organization_id = r.organization_id AND s.scope = ?2 AND s.record_id = r.id "
            f"WHERE r.organization_id = ?1{self.collection.not_deleted}",
            organization_id,
            self.collection.scope,
        )

    def _vectors(self, row: Mapping[str, object]) -> Iterator[Matrix]:
        if row["pending"]:
            yield from self._embedded(str(row["posted_text"] or self.collection.text_of(dict(row))))
            return
        if row["fingerprint"] != self.collection.model.fingerprint:
            return  # A search that cannot compare it says so.
        data = np.frombuffer(bytes.fromhex(str(row["vectors"])), dtype="<f4")
        stored = data.reshape(-1, self.collection.model.dimensions).astype(np.float64)
        yield from stored[: len(json.loads(str(row["chunks"])))]

    def _embedded(self, text: str) -> list[Matrix]:
        """The vectors of a text's chunks; none of a blank one."""
        model = self.collection.model
        parts = [text[part.start : part.end] for part in chunk(text, model.max_tokens)]
        if not parts:
            return []
        pooling = model.pooling or "cls"
        vectors = self.encoder.encode(model.name, model.dimensions, pooling, parts)
        return list(vectors.astype(np.float64))
