"""How a batch calls the model, the indexes and D1: in what groups, and what follows a failure.

Memory. An isolate has 128 MB for everything that runs in it, and about 40 of them are taken when
nothing runs yet. The bindings of Workers AI and Vectorize are JavaScript in the same isolate: a
call of 1,000 vectors of 1,024 numbers makes 22 MB of JSON and 80 MB of heap there. So a batch runs
in *waves*. A wave starts its jobs, reads their texts, embeds, indexes and stores them before the
next wave starts. `tests/worker/test_memory.py` measures the result.

Failures. If the input is to blame, the call is made again for halves of it, until the bad item
stands alone. If the platform is to blame, a *circuit* opens: later calls of the same model or index
in the batch are not made, and fail at once with the same error. So a throttled platform gets fewer
calls, not more, and the messages wait for a pause that grows. A circuit lasts for one batch, and
holds no state of any organization.
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
from cognate.text_limits import MAX_TEXT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

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

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WAVE_CHARACTERS: Final = 500_000
"""Characters of the texts that one wave reads: a hundred texts of 5,000, or five of the longest.
D1's answer, its JSON and the strings of Python hold each of them up to six times."""

MAX_COLUMN_CHARACTERS: Final = MAX_TEXT_CHARACTERS + 1
"""Characters that are read of one column. One more than may be embedded: the text is too long."""

MAX_WAVE_NUMBERS: Final = 204_800
"""Numbers of the vectors that one wave makes: the 200 vectors of the longest record at 1,024
dimensions, or 200 short texts. As hexadecimal digits for D1 they are 1.6 MB."""

MAX_CALL_NUMBERS: Final = 102_400
"""Numbers in one call of Vectorize: 100 vectors of 1,024, as many as one call of Workers AI
answers. They are 2.2 MB of JSON, and 8 MB of heap while it is written."""

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


def grouped(items: Iterable[Item], size: Callable[[Item], int], limit: int) -> Iterator[list[Item]]:
    """Group items in order, so that the sizes of a group add up to at most `limit`.

    An item that is larger has a group of its own. The next item is taken only when its group is
    asked for.
    """
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + size(item) > limit:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


async def call_halving(
    items: Sequence[Item],
    call: Callable[[Sequence[Item]], Awaitable[Result]],
    blames: tuple[type[PlatformError], ...],
) -> list[tuple[Sequence[Item], Result | PlatformError]]:
    """Make one call for all items. If one item spoils it, halve until that item stands alone.

    Args:
        items: at least one.
        call: takes any part of them.
        blames: the errors that one item causes. Other errors are not halved.

    Returns:
        The parts in order, each with its result or its error. One bad item of n costs at most
        2 log2(n) + 1 calls.
    """
    try:
        return [(items, await call(items))]
    except PlatformError as error:
        if len(items) == 1 or not isinstance(error, blames):
            return [(items, error)]
    middle = len(items) // 2
    left = await call_halving(items[:middle], call, blames)
    return left + await call_halving(items[middle:], call, blames)


def with_circuits(platform: Platform) -> Platform:
    """Put a circuit around each model and each index of a platform."""
    return replace(
        platform,
        embedder=CircuitEmbedder(platform.embedder),
        indexes={name: CircuitIndex(index, name) for name, index in platform.indexes.items()},
    )


class Circuit:
    """Stops the calls of one model or index after a failure of the platform.

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
    """A `ports.Embedder` with a circuit for each model."""

    def __init__(self, embedder: Embedder) -> None:
        """Wrap an embedder."""
        self._embedder = embedder
        self._circuits: dict[str, Circuit] = {}

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        circuit = self._circuits.setdefault(model.name, Circuit("embedder", model.name))
        return await circuit.call(lambda: self._embedder.embed(model, texts, urgent=urgent))


class CircuitIndex:
    """A `ports.VectorIndex` with a circuit."""

    def __init__(self, index: VectorIndex, name: str) -> None:
        """Wrap the index of a binding."""
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
