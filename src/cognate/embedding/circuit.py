"""Circuit breakers for one batch: after a failure of the platform, stop calling what failed.

The first call of a model or an index that fails for a reason other than its input opens the
circuit. Later calls of the same model or index in the batch are not made: they fail at once with
the same error. So a throttled platform gets fewer calls, not more, and the messages wait for a
pause that grows.

A circuit lasts for one batch, and holds no state of any organization.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cognate.errors import (
    EmbedderAccessDenied,
    EmbedderAllowanceUsedUp,
    EmbedderModelUnavailable,
    PlatformError,
    VectorIndexThrottled,
)
from cognate.events import emit
from cognate.jobs.retry import REJECTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import (
        Embedder,
        IndexMatch,
        IndexState,
        Platform,
        VectorEntry,
        VectorIndex,
        Vectors,
    )

Result = TypeVar("Result")

EVENTS: Final[Mapping[type[PlatformError], str]] = MappingProxyType(
    {
        EmbedderModelUnavailable: "embedder.model_unavailable",
        EmbedderAllowanceUsedUp: "embedder.allowance_used_up",
        EmbedderAccessDenied: "embedder.access_denied",
        VectorIndexThrottled: "index.throttled",
    }
)
"""The log event of an error that an operator wants to be told of; `docs/operations.md` lists them.
Of other errors it is `embedder.failed` or `index.failed`."""


def with_circuits(platform: Platform) -> Platform:
    """The platform with a circuit for each model and each index."""
    return replace(
        platform,
        embedder=CircuitEmbedder(platform.embedder),
        indexes={name: CircuitIndex(index, name) for name, index in platform.indexes.items()},
    )


class Circuit:
    """Whether calls of one model or index are still made.

    Attributes:
        kind: `embedder` or `index`, the noun of the event.
        name: of the model or the binding, for the event.
    """

    def __init__(self, kind: str, name: str) -> None:
        """Start closed: calls are made."""
        self._kind = kind
        self._name = name
        self._error: PlatformError | None = None

    async def call(self, make: Callable[[], Awaitable[Result]]) -> Result:
        """Make a call, unless an earlier one has failed.

        Raises:
            PlatformError: of this call, or of the one that opened the circuit.
        """
        if self._error is not None:
            raise self._error
        try:
            return await make()
        except REJECTIONS:
            raise
        except PlatformError as error:
            self._error = error
            self._report(error)
            raise

    def _report(self, error: PlatformError) -> None:
        target = "model" if self._kind == "embedder" else "index"
        event = EVENTS.get(type(error), f"{self._kind}.failed")
        emit(event, **{target: self._name}, code=error.code, number=error.number)


class CircuitEmbedder:
    """`ports.Embedder` with a circuit for each model."""

    def __init__(self, embedder: Embedder) -> None:
        """Take the embedder that makes the calls."""
        self._embedder = embedder
        self._circuits: dict[str, Circuit] = {}

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        circuit = self._circuits.setdefault(model.name, Circuit("embedder", model.name))
        return await circuit.call(lambda: self._embedder.embed(model, texts, urgent=urgent))


class CircuitIndex:
    """`ports.VectorIndex` with a circuit."""

    def __init__(self, index: VectorIndex, name: str) -> None:
        """Take the index that makes the calls, and the name of its binding."""
        self._index = index
        self._circuit = Circuit("index", name)

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        return await self._circuit.call(lambda: self._index.upsert(entries))

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        return await self._circuit.call(lambda: self._index.delete(ids))

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        return await self._circuit.call(
            lambda: self._index.query(vectors, top_k=top_k, conditions=conditions)
        )

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        return await self._circuit.call(self._index.describe)
