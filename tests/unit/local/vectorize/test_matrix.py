"""Tests of `local.vectorize.matrix`."""

import numpy as np
import pytest

from local.ai.sentence_model import Matrix
from local.vectorize.matrix import Entry, VectorMatrix
from local.vectorize.store import StoredVector


def vector(vector_id: str, values: Matrix) -> StoredVector:
    """A vector without metadata."""
    return StoredVector(vector_id, values.astype(np.float32), None, None, {})


def drawn(count: int, dimensions: int = 8) -> Matrix:
    """The same random vectors each time."""
    return np.random.default_rng(3).standard_normal((count, dimensions)).astype(np.float32)


def ones(dimensions: int) -> Matrix:
    """A vector of ones."""
    return np.ones(dimensions, dtype=np.float32)


def everything(_: Entry) -> bool:
    """Accept every entry."""
    return True


def filled(rows: Matrix) -> VectorMatrix:
    """A matrix of these rows under the ids v000, v001, ..."""
    matrix = VectorMatrix(rows.shape[1])
    for number, row in enumerate(rows):
        matrix.put(vector(f"v{number:03}", row))
    return matrix


def test_scores_are_exact_cosines_best_first() -> None:
    """The vectors have any length, and exceed the first capacity."""
    rows = drawn(600)
    query = drawn(601)[600]
    cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    found = filled(rows).search(query, 10, everything)
    expected = np.argsort(-cosines)[:10]
    assert [scored.entry.id for scored in found] == [f"v{number:03}" for number in expected]
    assert [scored.score for scored in found] == pytest.approx(cosines[expected], abs=1e-6)


def test_equal_scores_are_ordered_by_id() -> None:
    """So an answer is the same each time."""
    found = filled(np.ones((5, 2), dtype=np.float32)).search(ones(2), 3, everything)
    assert [scored.entry.id for scored in found] == ["v000", "v001", "v002"]
    assert all(scored.score <= 1.0 for scored in found)


def test_only_accepted_entries_are_searched() -> None:
    """The filter comes first, and the nearest are chosen from the rest."""
    found = filled(drawn(50)).search(drawn(1)[0], 50, lambda entry: entry.id in {"v007", "v009"})
    assert {scored.entry.id for scored in found} == {"v007", "v009"}


def test_an_empty_matrix_has_no_matches() -> None:
    """A matrix without accepted entries has none either."""
    assert VectorMatrix(2).search(ones(2), 5, everything) == []
    assert filled(drawn(3)).search(drawn(1)[0], 5, lambda _: False) == []


def test_a_vector_of_zeros_scores_zero() -> None:
    """Its score is not NaN."""
    (found,) = filled(np.zeros((1, 2), dtype=np.float32)).search(ones(2), 5, everything)
    assert found.score == 0.0


def test_a_removed_row_is_filled_and_every_other_vector_stays() -> None:
    """The test removes the first, a middle, the last and an unknown id."""
    rows = drawn(10)
    matrix = filled(rows)
    for vector_id in ("v000", "v004", "v009", "unknown", "v004"):
        matrix.discard(vector_id)
    assert len(matrix) == 7
    assert "v004" not in matrix
    for number in (1, 2, 3, 5, 6, 7, 8):
        best = matrix.search(rows[number], 1, everything)[0]
        assert best.entry.id == f"v{number:03}"
        assert best.score == pytest.approx(1.0)


def test_putting_an_id_again_replaces_it() -> None:
    """The vector is replaced in its row."""
    matrix = filled(drawn(2))
    matrix.put(StoredVector("v000", np.ones(8, dtype=np.float32), "n", {"a": 1}, {"a": 1.0}))
    assert len(matrix) == 2
    assert matrix.get("v000") == Entry("v000", "n", {"a": 1}, {"a": 1.0})
    assert matrix.search(ones(8), 1, everything)[0].entry.id == "v000"


def test_noise_is_bounded_and_always_the_same() -> None:
    """Two searches agree, and no error is larger than asked for."""
    matrix, query = filled(drawn(200)), drawn(1)[0]
    exact = {scored.entry.id: scored.score for scored in matrix.search(query, 200, everything)}
    noisy = matrix.search(query, 200, everything, noise=0.005)
    assert noisy == matrix.search(query, 200, everything, noise=0.005)
    off = [abs(scored.score - exact[scored.entry.id]) for scored in noisy]
    assert 0.003 < max(off) <= 0.005
