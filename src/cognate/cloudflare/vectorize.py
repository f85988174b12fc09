"""Vectorize as the core's vector index."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pyodide.ffi import JsException

from cognate.cloudflare.conversion import to_javascript, to_python
from cognate.cloudflare.vectors import row_of
from cognate.errors import VectorIndexError, VectorIndexRejected, VectorIndexUnavailable
from cognate.ports import IndexMatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import VectorEntry, Vectors

CODE: Final = re.compile(r"code = (\d+)")
BROKEN_RULE: Final = range(40000, 50000)
"""Codes of calls that break a rule of Vectorize; all others are its own failures."""


class VectorizeIndex:
    """`ports.VectorIndex` over a Vectorize binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Take the binding, unwrapped."""
        self._binding = binding

    async def upsert(self, entries: Sequence[VectorEntry]) -> None:
        """See `ports.VectorIndex.upsert`."""
        vectors = [
            {
                "id": entry.id,
                "values": row_of(entry.vectors, entry.position),
                "metadata": dict(entry.metadata),
            }
            for entry in entries
        ]
        try:
            await self._binding.upsert(to_javascript(vectors))
        except JsException as error:
            raise vector_index_error(error.message) from error

    async def delete(self, ids: Sequence[str]) -> None:
        """See `ports.VectorIndex.delete`."""
        try:
            await self._binding.deleteByIds(to_javascript(list(ids)))
        except JsException as error:
            raise vector_index_error(error.message) from error

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        options = {"topK": top_k, "filter": dict(conditions), "returnMetadata": "indexed"}
        try:
            answer = await self._binding.query(row_of(vectors, 0), to_javascript(options))
        except JsException as error:
            raise vector_index_error(error.message) from error
        return [
            IndexMatch(match["id"], match["score"], match.get("metadata") or {})
            for match in to_python(answer)["matches"]
        ]


def vector_index_error(message: str) -> VectorIndexError:
    """The error that a message of Vectorize stands for."""
    found = CODE.search(message)
    if found is None:
        return VectorIndexUnavailable(message)
    broken = int(found[1]) in BROKEN_RULE
    return VectorIndexRejected(message) if broken else VectorIndexError(message)
