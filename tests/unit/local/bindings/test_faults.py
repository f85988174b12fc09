"""Tests of `local.bindings.faults`."""

from typing import Any

import pytest

from local.bindings.faults import CallCounts, Fault, FaultKind, FaultPlan

ANSWER: dict[str, Any] = {"shape": [3, 2], "data": [[1, 2], [3, 4], [5, 6]], "pooling": "cls"}


def test_a_fault_hits_its_method_so_many_times() -> None:
    """Later calls succeed, and other methods are not affected."""
    plan = FaultPlan()
    fault = Fault("AI", "run", "error", count=2)
    plan.add(fault)
    assert plan.take("VECTORIZE", "upsert", []) is None
    assert [plan.take("AI", "run", []) for _ in range(3)] == [fault, fault, None]
    assert plan.waiting() == 0


def test_faults_hit_in_the_order_they_were_added() -> None:
    """The second starts after the last call of the first."""
    plan = FaultPlan()
    first, second = Fault("AI", "run", "short"), Fault("AI", "run", "empty")
    plan.add(first)
    plan.add(second)
    assert plan.waiting() == 2
    assert [plan.take("AI", "run", []) for _ in range(2)] == [first, second]


def test_a_match_hits_only_calls_with_that_text() -> None:
    """Characters beyond ASCII are compared unescaped."""
    plan = FaultPlan()
    plan.add(Fault("AI", "run", "error", match="böse"))
    assert plan.take("AI", "run", ["model", {"text": ["gut"]}]) is None
    assert plan.take("AI", "run", ["model", {"text": ["gut", "sehr böse"]}]) is not None


def test_faults_can_be_forgotten() -> None:
    """No fault is left for the next test."""
    plan = FaultPlan()
    plan.add(Fault("AI", "run", "error", count=9))
    plan.clear()
    assert plan.take("AI", "run", []) is None


def test_the_error_is_the_one_asked_for() -> None:
    """It has the name and the message of the fault."""
    error = Fault("AI", "run", "error", name="AiError", message="3040: busy").error()
    assert (error.name, error.message) == ("AiError", "3040: busy")


@pytest.mark.parametrize(
    ("kind", "by", "shape", "data"),
    [
        ("short", 1, [2, 2], [[1, 2], [3, 4]]),
        ("short", 9, [0, 2], []),
        ("dimension", 1, [3, 1], [[1], [3], [5]]),
        ("empty", 1, [0, 2], []),
        ("slow", 1, [3, 2], [[1, 2], [3, 4], [5, 6]]),
    ],
)
def test_an_answer_is_spoilt_as_asked(
    kind: FaultKind, by: int, shape: list[int], data: list[list[int]]
) -> None:
    """The shape fits the changed data, and the original answer does not change."""
    spoilt = Fault("AI", "run", kind, by=by).spoil(ANSWER)
    assert spoilt == {"shape": shape, "data": data, "pooling": "cls"}
    assert ANSWER["shape"] == [3, 2]


def test_counts_start_at_zero() -> None:
    """They have the form of `GET /control/calls`."""
    assert CallCounts().to_wire() == {"calls": {}, "texts": 0, "vectors": 0}
