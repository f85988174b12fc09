"""Call a binding: count the call, apply a waiting fault, and run the implementation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from anyio import sleep as anyio_sleep
from anyio.to_thread import run_sync

from local.bindings.faults import SHAPE_KINDS, CallCounts, FaultPlan
from local.failures import BindingError
from local.vectorize.local_vectorize import LocalVectorize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from local.ai.local_workers_ai import LocalWorkersAI

CallAnswer = dict[str, Any] | list[dict[str, Any]]
"""The answer of a method, as JSON values."""

AI_BINDING: Final = "AI"

_VECTORIZE: Final[Mapping[str, Callable[..., CallAnswer]]] = {
    "describe": LocalVectorize.describe,
    "query": LocalVectorize.query,
    "queryById": LocalVectorize.query_by_id,
    "insert": LocalVectorize.insert,
    "upsert": LocalVectorize.upsert,
    "getByIds": LocalVectorize.get_by_ids,
    "deleteByIds": LocalVectorize.delete_by_ids,
}
_MOST_ARGUMENTS: Final = {"describe": 0, "query": 2, "queryById": 2, "run": 3}
_LEAST_ARGUMENTS: Final = {"describe": 0}
_CALLERS_MISTAKE: Final = "TypeError"


class Bindings:
    """The AI and Vectorize bindings of a Worker, with faults and counts for tests.

    Attributes:
        faults: the calls that will fail.
        counts: the calls so far.
    """

    def __init__(
        self,
        ai: LocalWorkersAI,
        indexes: Sequence[LocalVectorize],
        sleep: Callable[[float], Awaitable[None]] = anyio_sleep,
    ) -> None:
        self.faults = FaultPlan()
        self.counts = CallCounts()
        self._ai = ai
        self._indexes = {index.config.binding: index for index in indexes}
        self._sleep = sleep
        self._lock = threading.Lock()

    @property
    def indexes(self) -> Mapping[str, LocalVectorize]:
        """The Vectorize indexes by binding."""
        return self._indexes

    async def call(self, binding: str, method: str, arguments: Sequence[object]) -> CallAnswer:
        """Call a method of a binding with JSON values.

        Raises:
            BindingError: the binding rejects the call.
        """
        run = self._implementation(binding, method, arguments)
        with self._lock:
            self.counts.calls[f"{binding}.{method}"] += 1
        fault = self.faults.take(binding, method, arguments)
        if fault is not None and fault.kind == "error":
            raise fault.error()
        if fault is not None and fault.kind == "slow":
            await self._sleep(fault.seconds)
        answer = await run_sync(run)
        self._count(method, arguments, answer)
        if fault is not None and fault.kind == "late":
            await self._sleep(fault.seconds)
        if fault is not None and fault.kind == "after":
            raise fault.error()
        if fault is not None and fault.kind in SHAPE_KINDS and isinstance(answer, dict):
            return fault.spoil(answer)
        return answer

    def reset_counts(self) -> None:
        """Set the counts to zero."""
        with self._lock:
            self.counts = CallCounts()

    def _implementation(
        self, binding: str, method: str, arguments: Sequence[object]
    ) -> Callable[[], CallAnswer]:
        function: Callable[..., CallAnswer] | None = None
        if binding == AI_BINDING and method == "run":
            function = self._ai.run
        elif binding in self._indexes and method in _VECTORIZE:
            function = _VECTORIZE[method].__get__(self._indexes[binding])
        if function is None:
            message = f"env.{binding}.{method} is not a function"
            raise BindingError(_CALLERS_MISTAKE, message)
        if len(arguments) < _LEAST_ARGUMENTS.get(method, 1):
            message = f"env.{binding}.{method} needs an argument"
            raise BindingError(_CALLERS_MISTAKE, message)
        found, given = function, arguments[: _MOST_ARGUMENTS.get(method, 1)]
        return lambda: found(*given)

    def _count(self, method: str, arguments: Sequence[object], answer: CallAnswer) -> None:
        with self._lock:
            if method == "run" and isinstance(answer, dict):
                self.counts.texts += answer["shape"][0]
            elif method in {"insert", "upsert"} and isinstance(arguments[0], list):
                self.counts.vectors += len(arguments[0])
