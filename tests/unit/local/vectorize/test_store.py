"""Tests of `local.vectorize.store`: accepted writes survive, in order."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from local.failures import StartError
from local.vectorize.index_config import IndexConfig, PropertyType
from local.vectorize.store import Progress, StoredVector, VectorMutation, VectorStore

INDEX = "cognate-2"


def config(dimensions: int = 2, **metadata_indexes: PropertyType) -> IndexConfig:
    """The configuration of the one index of these tests."""
    return IndexConfig("VECTORIZE", INDEX, dimensions, metadata_indexes)


def vector(vector_id: str, first: float = 1.0) -> StoredVector:
    """A vector with all that a vector can have."""
    values = np.array([first, 0.1], dtype=np.float32)
    return StoredVector(vector_id, values, "n", {"k": {"ü": first}}, {"k": "v"})


def write(store: VectorStore, *vectors: StoredVector, at: float = 0.0) -> None:
    """Record one upsert that is due at `at`."""
    store.record(INDEX, VectorMutation("m", "upsert", vectors=vectors), at)


def ids(store: VectorStore) -> list[str]:
    """The ids of the visible vectors, sorted."""
    return sorted(vector.id for vector in store.vectors(INDEX))


@pytest.fixture
def store() -> VectorStore:
    """A store in memory with one index."""
    store = VectorStore()
    store.open_index(config(k="string"))
    return store


def test_a_vector_comes_back_as_it_was(store: VectorStore) -> None:
    """Its components are equal bit by bit."""
    write(store, vector("a"))
    store.apply_due(INDEX, 0.0)
    (found,) = store.vectors(INDEX)
    assert (found.id, found.namespace, found.metadata, found.indexed) == (
        "a",
        "n",
        {"k": {"ü": 1.0}},
        {"k": "v"},
    )
    assert found.values.tobytes() == vector("a").values.tobytes()
    assert store.values(INDEX, ["a", "b"])["a"].tolist() == vector("a").values.tolist()


def test_a_mutation_is_applied_when_its_time_has_come(store: VectorStore) -> None:
    """It is applied not earlier, and only once."""
    write(store, vector("a"), at=10.0)
    assert store.apply_due(INDEX, 9.9) == []
    assert (ids(store), store.pending(INDEX), store.progress(INDEX)) == ([], 1, None)
    assert [mutation.id for mutation in store.apply_due(INDEX, 10.0)] == ["m"]
    assert store.apply_due(INDEX, 11.0) == []
    assert (ids(store), store.pending(INDEX)) == (["a"], 0)
    assert store.progress(INDEX) == Progress("m", 10.0)


def test_a_later_mutation_never_overtakes(store: VectorStore) -> None:
    """A mutation with a shorter delay waits for the one before it."""
    write(store, vector("a"), at=10.0)
    write(store, vector("b"), at=1.0)
    assert store.apply_due(INDEX, 5.0) == []
    assert len(store.apply_due(INDEX, 10.0)) == 2


def test_an_insert_keeps_the_first_and_an_upsert_the_last(store: VectorStore) -> None:
    """This holds in one batch and over several."""
    store.record(
        INDEX, VectorMutation("m", "insert", vectors=[vector("a", 1), vector("a", 2)]), 0.0
    )
    store.record(INDEX, VectorMutation("m", "insert", vectors=[vector("a", 3)]), 0.0)
    store.record(
        INDEX, VectorMutation("m", "upsert", vectors=[vector("b", 1), vector("b", 2)]), 0.0
    )
    store.apply_due(INDEX, 0.0)
    values = store.values(INDEX, ["a", "b"])
    assert (values["a"][0], values["b"][0]) == (1.0, 2.0)


def test_a_delete_removes_what_is_there(store: VectorStore) -> None:
    """Unknown ids are ignored."""
    write(store, vector("a"), vector("b"))
    store.record(INDEX, VectorMutation("m", "delete", ids=["a", "unknown"]), 0.0)
    store.apply_due(INDEX, 0.0)
    assert ids(store) == ["b"]


def test_vectors_and_pending_mutations_survive_a_restart(tmp_path: Path) -> None:
    """A second process sees the writes of the first one, and applies those still due."""
    first = VectorStore(tmp_path / "v.sqlite3")
    first.open_index(config())
    write(first, vector("a"))
    first.apply_due(INDEX, 0.0)
    write(first, vector("b"), at=5.0)
    first.close()
    second = VectorStore(tmp_path / "v.sqlite3")
    second.open_index(config())
    assert ids(second) == ["a"]
    second.apply_due(INDEX, 5.0)
    assert ids(second) == ["a", "b"]


def test_a_failed_write_leaves_nothing(store: VectorStore) -> None:
    """A mutation is one transaction."""
    broken = StoredVector("b", np.zeros(2, dtype=np.float32), "\ud800", None, {})
    with pytest.raises(UnicodeEncodeError):
        write(store, vector("a"), broken)
    assert store.pending(INDEX) == 0


def test_a_metadata_index_that_is_gone_forgets_its_values(store: VectorStore) -> None:
    """If it is made again, even with another type, it covers later writes only."""
    write(store, vector("a"))
    store.apply_due(INDEX, 0.0)
    write(store, vector("b"), at=5.0)
    store.open_index(config(k="number"))
    store.apply_due(INDEX, 5.0)
    assert [vector.indexed for vector in store.vectors(INDEX)] == [{}, {}]


def test_a_metadata_index_that_stays_keeps_its_values(store: VectorStore) -> None:
    """Opening an index with one more metadata index loses nothing."""
    write(store, vector("a"))
    store.apply_due(INDEX, 0.0)
    store.open_index(config(k="string", other="string"))
    assert [vector.indexed for vector in store.vectors(INDEX)] == [{"k": "v"}]


def test_a_dimension_cannot_change(store: VectorStore) -> None:
    """The sentence says what to do."""
    with pytest.raises(StartError, match="has 2 dimensions, not 3: delete the local state"):
        store.open_index(config(3))


def test_clearing_one_index_spares_the_others(store: VectorStore) -> None:
    """The visible vectors and the pending mutations of one index are dropped."""
    store.open_index(IndexConfig("OTHER", "other", 2))
    store.record("other", VectorMutation("m", "upsert", vectors=[vector("o")]), 0.0)
    store.apply_due("other", 0.0)
    write(store, vector("a"))
    store.apply_due(INDEX, 0.0)
    write(store, vector("b"), at=5.0)
    store.clear(INDEX)
    store.apply_due(INDEX, 5.0)
    assert ids(store) == []
    assert len(store.vectors("other")) == 1


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """The error is one sentence without a traceback of SQLite."""
    path = tmp_path / "v.sqlite3"
    path.write_bytes(b"something else" * 100)
    with pytest.raises(StartError, match=r"v\.sqlite3 cannot be opened") as raised:
        VectorStore(path)
    assert isinstance(raised.value.__cause__, sqlite3.Error)
