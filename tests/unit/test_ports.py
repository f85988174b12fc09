"""The values that ports exchange."""

from __future__ import annotations

import math

from cognate.ports import StoredVectors


def test_stored_vectors_know_their_rows() -> None:
    """Their number follows from the bytes."""
    vectors = StoredVectors(StoredVectors.of([1, 0, 0, 1]).data, 2)

    assert vectors.lengths() == [2, 2]
    assert len(vectors.float32()) == 16


def test_stored_vectors_know_whether_they_are_numbers() -> None:
    """One component that is not finite is enough."""
    assert StoredVectors.of([1, -2.5]).are_finite()
    assert not StoredVectors.of([1, math.nan]).are_finite()
    assert not StoredVectors.of([1, math.inf]).are_finite()
