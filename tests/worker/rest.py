"""A Worker at rest, as `tests.inspection` looks at one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.ports import StoredVectors
from local.vectorize.limits import MAX_IDS_PER_GET
from tests.demonstration import app
from tests.inspection import discrepancies

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Row
    from tests.worker.instruments import Instruments


class WorkerAtRest:
    """`tests.inspection.Place` over the Worker's database and the platform behind it."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    async def discrepancies(self, organizations: Container[str]) -> list[str]:
        """Where indexes and stored vectors are not what these organizations' records say."""
        return await discrepancies(self, app.collections, organizations)

    async def rows(self, sql: str, *parameters: str) -> list[Row]:
        """The rows of one statement."""
        return self._instruments.sql(sql, *parameters)

    async def embedded(self, model: EmbeddingModel, texts: Sequence[str]) -> bytes:
        """What the model answers for these texts now."""
        request: dict[str, Any] = {"text": list(texts)}
        if model.pooling is not None:
            request["pooling"] = model.pooling
        answer = self._instruments.rpc("AI", "run", model.name, request)
        return b"".join(StoredVectors.of(row).data for row in answer["data"])

    async def metadata(self, binding: str) -> dict[str, dict[str, Any]]:
        """The metadata of every vector in an index, by id."""
        return self._instruments.vectors(binding)

    async def values(self, binding: str, ids: Sequence[str]) -> dict[str, bytes]:
        """The components of vectors in an index, by id."""
        return {
            entry["id"]: StoredVectors.of(entry["values"]).data
            for start in range(0, len(ids), MAX_IDS_PER_GET)
            for entry in self._instruments.rpc(
                binding, "getByIds", list(ids[start : start + MAX_IDS_PER_GET])
            )
        }
