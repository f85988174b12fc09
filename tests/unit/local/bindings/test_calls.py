"""Tests of `local.bindings.calls`: counts, faults, and the call itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.ai.local_workers_ai import LocalWorkersAI
from local.bindings.calls import Bindings
from local.bindings.faults import Fault
from local.failures import BindingError
from local.vectorize.local_vectorize import LocalVectorize
from tests.stage.one_direction import OneDirection

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = "@cf/baai/bge-base-en-v1.5"
VECTOR = {"id": "a", "values": [1, 0]}


class Sleeper:
    """Records how long it was asked to wait, and does not wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.meanwhile: Callable[[], object] = bool

    async def __call__(self, seconds: float) -> None:
        """Record the wait."""
        self.slept.append(seconds)
        self.meanwhile()


@pytest.fixture
def sleeper() -> Sleeper:
    """The sleep of the bindings."""
    return Sleeper()


@pytest.fixture
def bindings(sleeper: Sleeper) -> Bindings:
    """`AI` and one index of two dimensions."""
    return Bindings(LocalWorkersAI(OneDirection()), [LocalVectorize.in_memory(2)], sleeper)


async def call(bindings: Bindings, binding: str, method: str, *arguments: object) -> dict[str, Any]:
    """Make one call. An answer that is a list comes in an object."""
    answer = await bindings.call(binding, method, arguments)
    return answer if isinstance(answer, dict) else {"list": answer}


async def test_every_method_of_the_bindings_is_reached(bindings: Bindings) -> None:
    """They have their names in JavaScript."""
    assert (await call(bindings, "AI", "run", BASE, {"text": "x"}, {}))["shape"] == [1, 768]
    assert "mutationId" in await call(bindings, "VECTORIZE", "upsert", [VECTOR])
    assert "mutationId" in await call(bindings, "VECTORIZE", "insert", [VECTOR])
    assert (await call(bindings, "VECTORIZE", "describe"))["vectorCount"] == 1
    assert (await call(bindings, "VECTORIZE", "query", [1, 0]))["count"] == 1
    assert (await call(bindings, "VECTORIZE", "query", [1, 0], None))["count"] == 1
    assert (await call(bindings, "VECTORIZE", "queryById", "a", {"topK": 1}))["count"] == 1
    assert (await call(bindings, "VECTORIZE", "getByIds", ["a"]))["list"][0]["id"] == "a"
    assert "mutationId" in await call(bindings, "VECTORIZE", "deleteByIds", ["a"])


@pytest.mark.parametrize(
    ("binding", "method"),
    [("AI", "query"), ("VECTORIZE", "run"), ("VECTORIZE", "clear"), ("OTHER", "query")],
)
async def test_other_methods_are_no_functions(
    bindings: Bindings, binding: str, method: str
) -> None:
    """The error is that of JavaScript, and no other method of the class can be called."""
    with pytest.raises(BindingError, match=f"TypeError: env.{binding}.{method} is not a function"):
        await call(bindings, binding, method, [])


async def test_a_call_without_its_argument_is_refused(bindings: Bindings) -> None:
    """It is an error and no crash. Extra arguments are ignored, as in JavaScript."""
    with pytest.raises(BindingError, match="TypeError"):
        await call(bindings, "VECTORIZE", "query")
    assert (await call(bindings, "VECTORIZE", "describe", 1))["vectorCount"] == 0


async def test_calls_texts_and_vectors_are_counted(bindings: Bindings) -> None:
    """A failed call counts as a call, but not its texts and vectors."""
    await call(bindings, "AI", "run", BASE, {"text": ["x", "y"]})
    await call(bindings, "AI", "run", BASE, {"text": "x"})
    await call(bindings, "VECTORIZE", "upsert", [VECTOR, VECTOR])
    with pytest.raises(BindingError):
        await call(bindings, "VECTORIZE", "upsert", [])
    assert bindings.counts.to_wire() == {
        "calls": {"AI.run": 2, "VECTORIZE.upsert": 2},
        "texts": 3,
        "vectors": 2,
    }
    bindings.reset_counts()
    assert bindings.counts.to_wire() == {"calls": {}, "texts": 0, "vectors": 0}


async def test_an_error_has_no_effect(bindings: Bindings) -> None:
    """Nothing was written."""
    bindings.faults.add(Fault("VECTORIZE", "upsert", "error", message="down"))
    with pytest.raises(BindingError, match="down"):
        await call(bindings, "VECTORIZE", "upsert", [VECTOR])
    assert (await call(bindings, "VECTORIZE", "describe"))["vectorCount"] == 0


async def test_an_error_afterwards_has_its_effect(bindings: Bindings) -> None:
    """The write happened, but the caller does not know."""
    bindings.faults.add(Fault("VECTORIZE", "upsert", "after", message="lost"))
    with pytest.raises(BindingError, match="lost"):
        await call(bindings, "VECTORIZE", "upsert", [VECTOR])
    assert (await call(bindings, "VECTORIZE", "describe"))["vectorCount"] == 1
    assert bindings.counts.vectors == 1


async def test_a_slow_call_waits_and_answers(bindings: Bindings, sleeper: Sleeper) -> None:
    """It waits as long as the fault says."""
    bindings.faults.add(Fault("AI", "run", "slow", seconds=2.5))
    assert (await call(bindings, "AI", "run", BASE, {"text": "x"}))["shape"] == [1, 768]
    assert sleeper.slept == [2.5]


async def test_a_late_answer_comes_after_its_effect(bindings: Bindings, sleeper: Sleeper) -> None:
    """The write has happened even if the caller dies while it waits."""
    bindings.faults.add(Fault("VECTORIZE", "upsert", "late", seconds=2.5))
    counted: list[int] = []
    sleeper.meanwhile = lambda: counted.append(bindings.counts.vectors)

    await call(bindings, "VECTORIZE", "upsert", [VECTOR])

    assert ([2.5], [1]) == (sleeper.slept, counted)


async def test_a_model_can_answer_too_few_vectors(bindings: Bindings) -> None:
    """All texts were embedded, but one vector is missing."""
    bindings.faults.add(Fault("AI", "run", "short"))
    answer = await call(bindings, "AI", "run", BASE, {"text": ["x", "y"]})
    assert (answer["shape"], len(answer["data"])) == ([1, 768], 1)
    assert bindings.counts.texts == 2
