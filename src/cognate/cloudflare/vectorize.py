"""The vector index adapter over Vectorize."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyodide.ffi import JsException

from cognate.cloudflare.conversion import as_number, from_json, to_javascript, to_python
from cognate.cloudflare.javascript_vectors import row_of
from cognate.cloudflare.platform_errors import vector_index_error
from cognate.ports import MAX_DELETE, IndexMatch, IndexState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import VectorEntry, Vectors


class VectorizeIndex:
    """`ports.VectorIndex` over a Vectorize binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Wrap a binding."""
        self._binding = binding

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        vectors = [
            {
                "id": entry.id,
                "values": row_of(entry.vectors, entry.position),
                "metadata": {key: as_number(value) for key, value in entry.metadata.items()},
            }
            for entry in entries
        ]
        try:
            answer = await self._binding.upsert(to_javascript(vectors))
        except JsException as error:
            raise vector_index_error(error.message) from error
        return str(answer.mutationId)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        mutations: list[str] = []
        for start in range(0, len(ids), MAX_DELETE):
            group = list(ids[start : start + MAX_DELETE])
            try:
                answer = await self._binding.deleteByIds(to_javascript(group))
            except JsException as error:
                raise vector_index_error(error.message) from error
            mutations.append(str(answer.mutationId))
        return mutations

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        try:
            answer = to_python(await self._binding.describe())
        except JsException as error:
            raise vector_index_error(error.message) from error
        processed = answer.get("processedUpToMutation")
        return IndexState(None if processed is None else str(processed), answer["vectorCount"])

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        options: dict[str, Any] = {"topK": top_k, "returnMetadata": "indexed"}
        if conditions:  # Vectorize refuses an empty filter.
            options["filter"] = dict(conditions)
        try:
            answer = await self._binding.query(row_of(vectors, 0), from_json(json.dumps(options)))
        except JsException as error:
            raise vector_index_error(error.message) from error
        return [
            IndexMatch(match["id"], match["score"], match.get("metadata") or {})
            for match in to_python(answer)["matches"]
        ]
