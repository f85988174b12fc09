"""Faults that a test orders, and counts of calls."""

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
"""Kinds that change the answer of `AI.run`. Other methods do not have them."""


@dataclass(frozen=True)
class Fault:
    """A fault of the next `count` calls of one method.

    Attributes:
        binding: such as `AI` or `VECTORIZE`.
        method: such as `run` or `upsert`.
        kind: `error` fails without effect. `after` takes effect and then fails. `slow` waits
            `seconds` and then takes effect. `late` takes effect and then waits `seconds`. `short`
            answers `by` vectors too few. `dimension` answers vectors with `by` components too few.
            `empty` answers no vectors.
        count: the number of calls.
        name: the name of the error, for `error` and `after`.
        message: the message of the error, for `error` and `after`. See `cloudflare_errors`.
        seconds: for `slow` and `late`.
        by: for `short` and `dimension`.
        match: applies only to calls whose arguments, as JSON, contain this text.
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
        """Whether the fault applies to this call."""
        if (self.binding, self.method) != (binding, method):
            return False
        return self.match is None or self.match in compact_json(list(arguments))

    def error(self) -> BindingError:
        """The error of `error` and `after`."""
        return BindingError(self.name, self.message)

    def spoil(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Change an answer of `AI.run` as `kind` says."""
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
    """The waiting faults, oldest first. Several threads may use it."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault after the waiting ones."""
        with self._lock:
            self._left.append((fault, fault.count))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._left.clear()

    def waiting(self) -> int:
        """The number of calls that the waiting faults apply to."""
        with self._lock:
            return sum(left for _, left in self._left)

    def take(self, binding: str, method: str, arguments: Sequence[object]) -> Fault | None:
        """The oldest fault that applies to this call, which is counted; None if there is none."""
        with self._lock:
            for place, (fault, left) in enumerate(self._left):
                if fault.hits(binding, method, arguments):
                    self._left[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
        return None


@dataclass
class CallCounts:
    """Counts since the start or the last reset.

    Attributes:
        calls: calls by `BINDING.method`, failed ones included.
        texts: embedded texts.
        vectors: vectors of inserts and upserts.
    """

    calls: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    vectors: int = 0

    def to_wire(self) -> dict[str, Any]:
        """The answer of `GET /control/calls`."""
        return {"calls": dict(self.calls), "texts": self.texts, "vectors": self.vectors}
