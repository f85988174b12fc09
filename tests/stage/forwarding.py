"""A Vectorize index that hands every call on, for tests that change one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import IndexMatch, IndexState, VectorEntry, VectorIndex, Vectors


@dataclass
class ForwardingIndex:
    """A `ports.VectorIndex` that hands every call on to `inner`."""

    inner: VectorIndex

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        return await self.inner.upsert(entries)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        return await self.inner.delete(ids)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        return await self.inner.query(vectors, top_k=top_k, conditions=conditions)

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        return await self.inner.describe()
