"""The embedder and the vector index of the core over the local Workers AI and Vectorize.

Both call the bindings in this process, without HTTP or JavaScript between them.
"""

from __future__ import annotations

import math
from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any

from cognate.cloudflare.platform_errors import embedder_error, vector_index_error
from cognate.ports import FLOAT32_BYTES, MAX_DELETE, IndexMatch, IndexState
from local.bindings.calls import AI_BINDING
from local.failures import BindingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import VectorEntry, Vectors
    from local.bindings.calls import Bindings


class ListVectors:
    """`cognate.ports.Vectors` over lists of numbers, as the local Workers AI answers them."""

    def __init__(self, rows: Sequence[list[float]]) -> None:
        """Keep the rows as they are."""
        self.rows = rows

    def lengths(self) -> Sequence[int]:
        """See `cognate.ports.Vectors.lengths`."""
        return [len(row) for row in self.rows]

    def are_finite(self) -> bool:
        """See `cognate.ports.Vectors.are_finite`."""
        try:
            return all(map(math.isfinite, chain.from_iterable(self.rows)))
        except TypeError:
            return False  # A component is null or a text.

    def float32(self) -> bytes:
        """See `cognate.ports.Vectors.float32`. The machine must be little-endian."""
        return array("f", chain.from_iterable(self.rows)).tobytes()


class LocalEmbedder:
    """`cognate.ports.Embedder` over the local Workers AI."""

    def __init__(self, bindings: Bindings) -> None:
        """Use these bindings. Their faults and counts apply here too."""
        self._bindings = bindings

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `cognate.ports.Embedder.embed`."""
        request: dict[str, Any] = {"text": list(texts)}
        if model.pooling is not None:
            request["pooling"] = model.pooling
        options = [{"rejectIfBusy": True}] if urgent else []
        try:
            answer = await self._bindings.call(AI_BINDING, "run", [model.name, request, *options])
        except BindingError as error:
            raise embedder_error(error.message) from error
        rows = answer.get("data", []) if isinstance(answer, dict) else []
        return ListVectors(rows)


class LocalVectorIndex:
    """`cognate.ports.VectorIndex` over one index of the local Vectorize."""

    def __init__(self, bindings: Bindings, binding: str) -> None:
        """Use the index that `bindings` has under the name `binding`."""
        self._bindings = bindings
        self._binding = binding

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `cognate.ports.VectorIndex.upsert`."""
        vectors = [
            {
                "id": entry.id,
                "values": listed_row(entry.vectors, entry.position),
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
        answer = await self._call("query", listed_row(vectors, 0), options)
        return [
            IndexMatch(match["id"], match["score"], match.get("metadata") or {})
            for match in answer["matches"]
        ]

    async def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON values
        try:
            return await self._bindings.call(self._binding, method, arguments)
        except BindingError as error:
            raise vector_index_error(error.message) from error


def listed_row(vectors: Vectors, position: int) -> list[float]:
    """One vector as the list of numbers that the local Vectorize takes."""
    if isinstance(vectors, ListVectors):
        return vectors.rows[position]
    size = vectors.lengths()[position] * FLOAT32_BYTES
    start = position * size
    return array("f", vectors.float32()[start : start + size]).tolist()
