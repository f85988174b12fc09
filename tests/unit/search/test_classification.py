"""Classification: a threshold belongs to the class it opens."""

from __future__ import annotations

import math

import pytest

from cognate.schema import Thresholds
from cognate.search.similarity import classify


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (1.0, "DUPLICATE"),
        (0.90, "DUPLICATE"),
        (math.nextafter(0.90, 0), "CONFIRMS"),
        (0.85, "CONFIRMS"),
        (math.nextafter(0.85, 0), "RELATED"),
        (0.75, "RELATED"),
        (math.nextafter(0.75, 0), "NEW"),
        (-1.0, "NEW"),
    ],
)
def test_classes_by_the_default_thresholds(score: float, expected: str) -> None:
    """Each bound itself, and the nearest number below it."""
    assert classify(score, Thresholds()) == expected


def test_equal_thresholds_leave_the_higher_class() -> None:
    """A service may do without a class."""
    thresholds = Thresholds(duplicate=0.8, confirms=0.8, related=0.8)
    assert [classify(score, thresholds) for score in (0.8, 0.79)] == ["DUPLICATE", "NEW"]
