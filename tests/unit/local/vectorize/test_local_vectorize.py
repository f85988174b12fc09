"""Tests of `local.vectorize.local_vectorize`: answers, and when a write becomes visible."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from local.adapters.manual_clock import ManualClock
from local.failures import BindingError
from local.vectorize import local_vectorize as vectorize
from local.vectorize.index_config import IndexConfig, PropertyType
from local.vectorize.local_vectorize import LocalVectorize
from local.vectorize.store import VectorStore

EAST, NORTH, BETWEEN = [1.0, 0.0], [0.0, 1.0], [3.0, 4.0]


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC))


@pytest.fixture
def index(clock: ManualClock) -> LocalVectorize:
    """An index of two dimensions with three metadata indexes."""
    kinds: dict[str, PropertyType] = {"team": "string", "size": "number", "a.b": "string"}
    return LocalVectorize.in_memory(2, kinds, now=clock.timestamp)


def vector(vector_id: str, values: Sequence[float], **more: object) -> dict[str, Any]:
    """A vector as a caller writes it."""
    return {"id": vector_id, "values": values, **more}


def ids(answer: dict[str, Any]) -> list[str]:
    """The ids of the matches, best first."""
    return [match["id"] for match in answer["matches"]]


def test_an_empty_index_describes_itself(index: LocalVectorize) -> None:
    """It has the four keys of version 2, and nothing is processed yet."""
    assert index.describe() == {
        "vectorCount": 0,
        "dimensions": 2,
        "processedUpToDatetime": None,
        "processedUpToMutation": None,
    }


def test_a_write_answers_its_mutation_and_describe_shows_it(index: LocalVectorize) -> None:
    """The mutation is a UUID, with the time at which it became visible."""
    answer = index.upsert([vector("a", EAST)])
    assert list(answer) == ["mutationId"]
    assert str(UUID(answer["mutationId"])) == answer["mutationId"]
    assert index.describe() == {
        "vectorCount": 1,
        "dimensions": 2,
        "processedUpToDatetime": "2026-09-21T14:13:20.000000Z",
        "processedUpToMutation": answer["mutationId"],
    }


def test_a_match_has_an_id_and_a_score_and_what_was_asked_for(index: LocalVectorize) -> None:
    """Values are float32, and metadata is as it was written."""
    index.upsert([vector("a", BETWEEN, namespace="n", metadata={"team": "x", "free": [1]})])
    assert index.query(EAST) == {
        "matches": [{"id": "a", "score": pytest.approx(0.6), "namespace": "n"}],
        "count": 1,
    }
    full = index.query(EAST, {"returnValues": True, "returnMetadata": "all"})["matches"][0]
    assert full["values"] == [3.0, 4.0]
    assert full["metadata"] == {"team": "x", "free": [1]}


def test_a_vector_without_metadata_has_no_such_key(index: LocalVectorize) -> None:
    """It has no key for a namespace either."""
    index.upsert([vector("a", EAST)])
    match = index.query(EAST, {"returnMetadata": "all"})["matches"][0]
    assert sorted(match) == ["id", "score"]


def test_indexed_metadata_is_what_the_indexes_hold(index: LocalVectorize) -> None:
    """Strings are cut to 64 bytes, other properties are left out, nesting is kept."""
    metadata = {"team": "x" * 70, "free": "y", "a": {"b": "z", "c": 1}}
    index.upsert([vector("a", EAST, metadata=metadata)])
    match = index.query(EAST, {"returnMetadata": "indexed"})["matches"][0]
    assert match["metadata"] == {"team": "x" * 64, "a": {"b": "z"}}


def test_matches_come_best_first_and_no_more_than_top_k(index: LocalVectorize) -> None:
    """Without a topK there are five."""
    index.upsert([vector(f"v{n}", [1, n]) for n in range(9)])
    assert ids(index.query(EAST)) == ["v0", "v1", "v2", "v3", "v4"]
    assert index.query(EAST, {"topK": 2})["count"] == 2
    assert index.query(EAST, {"topK": 100})["count"] == 9


def test_a_namespace_narrows_a_query(index: LocalVectorize) -> None:
    """Without a namespace, all of them are searched."""
    index.upsert([vector("a", EAST, namespace="n"), vector("b", EAST, namespace="m")])
    assert ids(index.query(EAST, {"namespace": "m"})) == ["b"]
    assert ids(index.query(EAST)) == ["a", "b"]


def test_a_filter_narrows_a_query_before_top_k(index: LocalVectorize) -> None:
    """Nearer vectors that do not pass the filter take no place."""
    others = [vector(f"x{n}", EAST, metadata={"team": "x"}) for n in range(200)]
    index.upsert([*others, vector("y", NORTH, metadata={"team": "y", "size": 3})])
    assert ids(index.query(EAST, {"topK": 1, "filter": {"team": "y"}})) == ["y"]
    assert ids(index.query(EAST, {"filter": {"team": "y", "size": {"$gte": 3}}})) == ["y"]
    assert ids(index.query(EAST, {"filter": {"team": "y", "size": {"$gt": 3}}})) == []


def test_an_unindexed_key_matches_nothing(index: LocalVectorize) -> None:
    """The vector has the key in its metadata, and there is no error."""
    index.upsert([vector("a", EAST, metadata={"free": "x"})])
    assert index.query(EAST, {"filter": {"free": "x"}}) == {"matches": [], "count": 0}


def test_a_string_is_filtered_by_its_first_64_bytes(index: LocalVectorize) -> None:
    """Two strings that differ later are equal to the filter."""
    index.upsert([vector("a", EAST, metadata={"team": "t" * 64 + "a"})])
    assert ids(index.query(EAST, {"filter": {"team": "t" * 64}})) == ["a"]
    assert ids(index.query(EAST, {"filter": {"team": "t" * 64 + "a"}})) == []


def test_a_metadata_index_covers_later_writes_only(clock: ManualClock, tmp_path: Path) -> None:
    """An earlier vector is found by no filter on it until it is written again."""

    def opened(**kinds: PropertyType) -> LocalVectorize:
        config = IndexConfig("VECTORIZE", "i", 2, kinds)
        return LocalVectorize(config, VectorStore(tmp_path / "v.sqlite3"), now=clock.timestamp)

    early = vector("early", EAST, metadata={"team": "x"})
    opened().upsert([early])
    later = opened(team="string")
    later.upsert([vector("late", EAST, metadata={"team": "x"})])
    assert ids(later.query(EAST, {"filter": {"team": "x"}})) == ["late"]
    assert ids(later.query(EAST)) == ["early", "late"]
    later.upsert([early])
    assert ids(later.query(EAST, {"filter": {"team": "x"}})) == ["early", "late"]


def test_query_by_id_asks_with_a_stored_vector(index: LocalVectorize) -> None:
    """It finds itself first, and an unknown id finds nothing."""
    index.upsert([vector("a", EAST), vector("b", BETWEEN)])
    answer = index.query_by_id("b", {"returnValues": True})
    assert ids(answer) == ["b", "a"]
    assert answer["matches"][0]["score"] == pytest.approx(1.0)
    assert index.query_by_id("unknown") == {"matches": [], "count": 0}
    with pytest.raises(BindingError, match=r"VECTOR_QUERY_ERROR \(code = 40008\)"):
        index.query_by_id("a" * 65)


def test_an_upsert_replaces_as_a_whole_and_an_insert_does_nothing(index: LocalVectorize) -> None:
    """Metadata is not merged."""
    index.upsert([vector("a", EAST, metadata={"team": "x"}, namespace="n")])
    index.insert([vector("a", NORTH, metadata={"team": "y"})])
    assert index.get_by_ids(["a"])[0]["metadata"] == {"team": "x"}
    index.upsert([vector("a", NORTH)])
    assert index.get_by_ids(["a"]) == [{"id": "a", "values": [0.0, 1.0]}]
    assert ids(index.query(NORTH, {"filter": {"team": "x"}})) == []


def test_vectors_are_read_by_id_in_the_order_asked(index: LocalVectorize) -> None:
    """Unknown ids are left out."""
    index.upsert([vector("a", EAST), vector("b", NORTH)])
    assert [found["id"] for found in index.get_by_ids(["b", "unknown", "a"])] == ["b", "a"]


def test_deleted_vectors_are_gone_and_unknown_ids_are_fine(index: LocalVectorize) -> None:
    """A delete is a mutation like the others."""
    index.upsert([vector("a", EAST), vector("b", NORTH)])
    answer = index.delete_by_ids(["a", "unknown"])
    assert ids(index.query(EAST)) == ["b"]
    assert index.describe()["processedUpToMutation"] == answer["mutationId"]


def test_a_write_is_seen_after_the_delay(index: LocalVectorize, clock: ManualClock) -> None:
    """Until then queries, reads by id and describe show the old state."""
    index.upsert([vector("a", EAST)])
    index.visibility_seconds = 30
    index.upsert([vector("a", NORTH), vector("b", EAST)])
    clock.advance(29.9)
    assert ids(index.query(EAST)) == ["a"]
    assert index.get_by_ids(["b"]) == []
    assert (index.describe()["vectorCount"], index.pending()) == (1, 1)
    clock.advance(0.1)
    assert ids(index.query(EAST)) == ["b", "a"]
    assert (index.describe()["vectorCount"], index.pending()) == (2, 0)


def test_the_default_clock_is_the_machines_own() -> None:
    """The write is dated between two readings of it, in seconds since 1970 (UTC)."""
    index = LocalVectorize.in_memory(2)
    before = datetime.now(UTC)
    index.upsert([vector("a", EAST)])

    processed = datetime.fromisoformat(index.describe()["processedUpToDatetime"])

    assert before <= processed <= datetime.now(UTC)


def test_writes_are_seen_in_their_order(index: LocalVectorize, clock: ManualClock) -> None:
    """A delete without a delay waits for the write before it."""
    index.visibility_seconds = 30
    index.upsert([vector("a", EAST)])
    index.visibility_seconds = 0
    index.delete_by_ids(["a"])
    assert (ids(index.query(EAST)), index.pending()) == ([], 2)
    clock.advance(30)
    assert (ids(index.query(EAST)), index.pending()) == ([], 0)


def test_a_settled_index_shows_every_write(index: LocalVectorize) -> None:
    """Settling ends all waiting, also that of later writes."""
    index.visibility_seconds = 30
    index.upsert([vector("a", EAST)])
    index.settle()
    assert (ids(index.query(EAST)), index.pending()) == (["a"], 0)
    index.visibility_seconds = 0
    index.delete_by_ids(["a"])
    assert ids(index.query(EAST)) == []


def test_approximate_scores_are_off_and_exact_ones_are_not(index: LocalVectorize) -> None:
    """With noise, only a query with values is exact."""
    index.upsert([vector("a", BETWEEN)])
    index.score_noise = 0.005
    off = index.query(EAST)["matches"][0]["score"]
    assert 0 < abs(off - 0.6) <= 0.005
    exact = index.query(EAST, {"returnValues": True})["matches"][0]["score"]
    assert exact == pytest.approx(0.6, abs=1e-6)


def test_one_bad_vector_rejects_its_batch(index: LocalVectorize) -> None:
    """Nothing of the batch is written."""
    with pytest.raises(BindingError, match="40012"):
        index.upsert([vector("a", EAST), vector("b", [1, 2, 3])])
    assert index.describe()["vectorCount"] == 0


def test_a_full_index_takes_no_new_vector(
    index: LocalVectorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replacing a vector still works. The real limit is 20 million."""
    monkeypatch.setattr(vectorize, "MAX_VECTORS", 2)
    index.upsert([vector("a", EAST), vector("b", EAST)])
    index.upsert([vector("a", NORTH)])
    with pytest.raises(BindingError, match="too many vectors in index; max is 2"):
        index.upsert([vector("c", EAST)])


def test_an_index_takes_so_many_namespaces(
    index: LocalVectorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more namespace is refused. The real limit is 50,000."""
    monkeypatch.setattr(vectorize, "MAX_NAMESPACES", 2)
    index.upsert([vector("a", EAST, namespace="n"), vector("b", EAST, namespace="m")])
    index.upsert([vector("c", EAST, namespace="m"), vector("d", EAST)])
    with pytest.raises(BindingError, match="too many namespaces in index; max is 2"):
        index.upsert([vector("e", EAST, namespace="o")])


def test_data_is_kept_between_starts(clock: ManualClock, tmp_path: Path) -> None:
    """A second start finds the data of the first one, and can drop it."""

    def opened() -> LocalVectorize:
        config = IndexConfig("VECTORIZE", "i", 2, {"team": "string"})
        return LocalVectorize(config, VectorStore(tmp_path / "v.sqlite3"), now=clock.timestamp)

    opened().upsert([vector("a", EAST, metadata={"team": "x"})])
    second = opened()
    assert ids(second.query(EAST, {"filter": {"team": "x"}})) == ["a"]
    second.clear()
    assert ids(second.query(EAST)) == []
    assert ids(opened().query(EAST)) == []


def test_visible_vectors_can_be_listed(index: LocalVectorize) -> None:
    """Tests need it. Vectorize itself has no such call."""
    index.upsert([vector("a", EAST, namespace="n", metadata={"team": "x"})])
    (entry,) = index.entries()
    assert (entry.id, entry.namespace, entry.metadata) == ("a", "n", {"team": "x"})
