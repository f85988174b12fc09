"""Faults on demand and counts of calls, for tests: the platform fails exactly when told to."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from local.failures import BindingError
from local.vectorize.limits import compact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FaultKind = Literal["error", "after", "slow", "late", "short", "dimension", "empty"]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
SHAPE_KINDS: Final = frozenset({"short", "dimension", "empty"})
"""Kinds that spoil the answer of `AI.run`; other methods do not have them."""


@dataclass(frozen=True)
class Fault:
    """What happens to the next `count` calls of one method.

    Attributes:
        binding: such as `AI` or `VECTORIZE`.
        method: such as `run` or `upsert`.
        kind: `error` fails without effect; `after` takes effect and then fails; `slow` waits
            `seconds` and then answers; `late` takes effect at once and answers after `seconds`;
            `short` answers `by` vectors too few, `dimension` vectors with `by` components too few,
            `empty` none at all.
        count: calls it applies to.
        name: of the error of `error` and `after`.
        message: of the error of `error` and `after`; see `cloudflare_errors`.
        seconds: of `slow` and `late`.
        by: of `short` and `dimension`.
        match: only calls whose arguments, as JSON, contain this text.
    """

    binding: str
    method: str
    kind: FaultKind
    count: int = 1
    name: str = "Error"
    message: str = "a fault was asked for"
    seconds: float = 0.0
    by: int = 1
    match: str | None = None

    def hits(self, binding: str, method: str, arguments: Sequence[object]) -> bool:
        """Tell whether this call is meant."""
        if (self.binding, self.method) != (binding, method):
            return False
        return self.match is None or self.match in compact_json(list(arguments))

    def error(self) -> BindingError:
        """Return the error of `error` and `after`."""
        return BindingError(self.name, self.message)

    def spoil(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer of `AI.run` as a model that errs would give it."""
        data: list[list[float]] = answer["data"]
        dimensions: int = answer["shape"][1]
        if self.kind == "empty":
            data = []
        elif self.kind == "short":
            data = data[: max(0, len(data) - self.by)]
        elif self.kind == "dimension":
            dimensions = max(0, dimensions - self.by)
            data = [vector[:dimensions] for vector in data]
        return {**answer, "shape": [len(data), dimensions], "data": data}


class FaultPlan:
    """The faults still to come, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault behind those that are waiting."""
        with self._lock:
            self._left.append((fault, fault.count))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._left.clear()

    def waiting(self) -> int:
        """Return how many calls are still to be hit."""
        with self._lock:
            return sum(left for _, left in self._left)

    def take(self, binding: str, method: str, arguments: Sequence[object]) -> Fault | None:
        """Return the oldest fault that this call is meant by, and use it up once."""
        with self._lock:
            for place, (fault, left) in enumerate(self._left):
                if fault.hits(binding, method, arguments):
                    self._left[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
        return None


@dataclass
class CallCounts:
    """Calls since the start or the last reset.

    Attributes:
        calls: by `BINDING.method`, failed ones included.
        texts: embedded in all.
        vectors: taken by inserts and upserts in all.
    """

    calls: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    vectors: int = 0

    def to_wire(self) -> dict[str, Any]:
        """Return the answer of `GET /control/calls`."""
        return {"calls": dict(self.calls), "texts": self.texts, "vectors": self.vectors}
