"""The local Vectorize as the core's vector index, without HTTP or JavaScript between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.cloudflare.platform_errors import vector_index_error
from cognate.ports import MAX_DELETE, IndexMatch, IndexState
from local.adapters.listed_vectors import row_of
from local.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import VectorEntry, Vectors
    from local.service.calls import Bindings


class LocalVectorIndex:
    """`cognate.ports.VectorIndex` over one index of the local platform."""

    def __init__(self, bindings: Bindings, binding: str) -> None:
        """Take the bindings, whose faults and counts apply here too, and the index's name there."""
        self._bindings = bindings
        self._binding = binding

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `cognate.ports.VectorIndex.upsert`."""
        vectors = [
            {
                "id": entry.id,
                "values": row_of(entry.vectors, entry.position),
                "metadata": dict(entry.metadata),
            }
            for entry in entries
        ]
        answer = await self._call("upsert", vectors)
        return str(answer["mutationId"])

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `cognate.ports.VectorIndex.delete`."""
        answers = [
            await self._call("deleteByIds", list(ids[start : start + MAX_DELETE]))
            for start in range(0, len(ids), MAX_DELETE)
        ]
        return [str(answer["mutationId"]) for answer in answers]

    async def describe(self) -> IndexState:
        """See `cognate.ports.VectorIndex.describe`."""
        answer = await self._call("describe")
        return IndexState(answer["processedUpToMutation"], answer["vectorCount"])

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `cognate.ports.VectorIndex.query`."""
        options: dict[str, Any] = {"topK": top_k, "returnMetadata": "indexed"}
        if conditions:  # An empty filter is an error.
            options["filter"] = dict(conditions)
        answer = await self._call("query", row_of(vectors, 0), options)
        return [
            IndexMatch(match["id"], match["score"], match.get("metadata") or {})
            for match in answer["matches"]
        ]

    async def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON values
        try:
            return await self._bindings.call(self._binding, method, arguments)
        except PlatformError as error:
            raise vector_index_error(error.message) from error
