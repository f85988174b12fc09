"""Tests of `local.vectorize.input_checks`: every limit at n and n + 1, and bad requests."""

from typing import Any

import pytest

from local.failures import BindingError
from local.vectorize.input_checks import (
    GivenVector,
    QueryOptions,
    parse_ids,
    parse_query_options,
    parse_query_vector,
    parse_vectors,
)
from local.vectorize.limits import Operation


def vector(**changes: object) -> dict[str, Any]:
    """A valid vector of two components with changes."""
    return {"id": "a", "values": [1, 0.5], **changes}


def upsert(*vectors: object) -> list[GivenVector]:
    """Parse an upsert into an index of two dimensions."""
    return parse_vectors(Operation.UPSERT, list(vectors), 2)


def refused(*vectors: object) -> str:
    """The message of a refused upsert."""
    with pytest.raises(BindingError) as raised:
        upsert(*vectors)
    return raised.value.message


def test_a_vector_arrives_whole() -> None:
    """Its components become float32, and the rest stays as it is."""
    (given,) = upsert(vector(namespace="n", metadata={"a": {"b": ["c"]}, "d": None}))
    assert (given.id, given.namespace) == ("a", "n")
    assert given.metadata == {"a": {"b": ["c"]}, "d": None}
    assert given.values.dtype == "float32"
    assert given.values.tolist() == [1.0, 0.5]


def test_1000_vectors_pass_and_1001_do_not() -> None:
    """This is the limit of one write from a Worker."""
    assert len(upsert(*[vector()] * 1000)) == 1000
    assert "(code = 40007)" in refused(*[vector()] * 1001)


def test_an_id_of_64_bytes_passes_and_one_of_65_does_not() -> None:
    """The limit counts bytes, and one bad id rejects the batch."""
    assert upsert(vector(id="é" * 32))[0].id == "é" * 32
    assert "(code = 40008): id too long; max is 64 bytes, got 65 bytes" in refused(
        vector(), vector(id="é" * 32 + "a")
    )


def test_a_namespace_of_64_bytes_passes_and_one_of_65_does_not() -> None:
    """The limit is the same as that of an id."""
    assert upsert(vector(namespace="n" * 64))[0].namespace == "n" * 64
    assert "max is 64 bytes, got 65 bytes" in refused(vector(namespace="n" * 65))


def test_metadata_of_10240_bytes_passes_and_of_10241_does_not() -> None:
    """The limit counts compact JSON."""
    around = len('{"k":""}')
    upsert(vector(metadata={"k": "a" * (10240 - around)}))
    assert "(code = 40016)" in refused(vector(metadata={"k": "a" * (10241 - around)}))


@pytest.mark.parametrize("values", [[1], [1, 2, 3], []])
def test_another_dimension_is_40012(values: list[float]) -> None:
    """The error names the id of the vector."""
    expected = (
        f'(code = 40012): invalid vector for id="a", expected 2 dimensions, and got {len(values)}'
    )
    assert expected in refused(vector(values=values))


@pytest.mark.parametrize(
    "broken",
    [
        "a vector",
        {"values": [1, 2]},
        vector(id=""),
        vector(id=7),
        vector(id="\ud800"),
        {"id": "a"},
        vector(values="12"),
        vector(values=[1, "2"]),
        vector(values=[1, None]),
        vector(values=[1, True]),
        vector(values=[1, 1e39]),
        vector(values=[1, 10**400]),
        vector(values=[1, float("inf")]),
        vector(namespace=""),
        vector(namespace=1),
        vector(metadata="m"),
        vector(metadata={"": 1}),
        vector(metadata={"a.b": 1}),
        vector(metadata={'a"b': 1}),
        vector(metadata={"$a": 1}),
        vector(metadata={"a": {"b.c": 1}}),
        vector(metadata={"a": "\ud800"}),
    ],
)
def test_a_malformed_vector_is_40023(broken: object) -> None:
    """Each row is one malformed vector."""
    message = refused(vector(), broken)
    assert message.startswith("VECTOR_UPSERT_ERROR (code = 40023): failed to parse upsert")


@pytest.mark.parametrize("broken", [[], None, {}])
def test_an_empty_or_odd_batch_is_40023(broken: object) -> None:
    """The error of an insert names the insert."""
    with pytest.raises(BindingError, match=r"VECTOR_INSERT_ERROR \(code = 40023\)"):
        parse_vectors(Operation.INSERT, broken, 2)


@pytest.mark.parametrize(("operation", "most"), [(Operation.GET, 20), (Operation.DELETE, 100)])
def test_so_many_ids_pass_and_one_more_does_not(operation: Operation, most: int) -> None:
    """The limits are 20 ids to read and 100 to delete."""
    ids = [str(number) for number in range(most + 1)]
    assert parse_ids(operation, ids[:most], most) == ids[:most]
    with pytest.raises(BindingError, match=rf"max id count is {most}, got {most + 1}"):
        parse_ids(operation, ids, most)


def test_an_id_given_twice_counts_once() -> None:
    """The order is that of the first occurrences."""
    assert parse_ids(Operation.GET, ["b", "a", "b"], 20) == ["b", "a"]


def test_ids_are_a_list_of_ids() -> None:
    """Each id has at most 64 bytes."""
    with pytest.raises(BindingError, match=r"\(code = 40023\)"):
        parse_ids(Operation.GET, "a", 20)
    with pytest.raises(BindingError, match=r"VECTOR_DELETE_ERROR \(code = 40008\)"):
        parse_ids(Operation.DELETE, ["a" * 65], 100)


def test_a_query_vector_has_the_dimension_of_the_index() -> None:
    """Another dimension is 40006, and anything but a vector is 40026."""
    assert parse_query_vector([1, 2], 2).tolist() == [1.0, 2.0]
    with pytest.raises(BindingError, match=r"\(code = 40006\)"):
        parse_query_vector([1, 2, 3], 2)
    with pytest.raises(BindingError, match=r"\(code = 40026\)"):
        parse_query_vector({"data": []}, 2)


@pytest.mark.parametrize("options", [None, {}])
def test_a_query_has_defaults(options: object) -> None:
    """It returns five matches with ids and scores only."""
    expected = QueryOptions(
        5, return_values=False, return_metadata="none", namespace=None, filter=None
    )
    assert parse_query_options(options) == expected


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({}, 100),
        ({"returnMetadata": "none"}, 100),
        ({"returnMetadata": "indexed"}, 100),
        ({"returnMetadata": "all"}, 50),
        ({"returnMetadata": True}, 50),
        ({"returnValues": True}, 50),
        ({"returnValues": True, "returnMetadata": "indexed"}, 50),
    ],
)
def test_top_k_up_to_its_limit_passes_and_one_more_is_an_error(
    options: dict[str, object], most: int
) -> None:
    """The limit is 50 with values or all metadata, and otherwise 100."""
    assert parse_query_options({**options, "topK": most}).top_k == most
    with pytest.raises(BindingError, match=rf"40025\).*max top K is {most}, but got {most + 1}"):
        parse_query_options({**options, "topK": most + 1})


@pytest.mark.parametrize(
    "options",
    [
        [],
        {"topK": 0},
        {"topK": -1},
        {"topK": 1.5},
        {"topK": "5"},
        {"topK": True},
        {"returnValues": "yes"},
        {"namespace": ""},
        {"filter": {}},
    ],
)
def test_malformed_options_are_40026(options: object) -> None:
    """Each row is one malformed option."""
    with pytest.raises(BindingError, match=r"VECTOR_QUERY_ERROR \(code = 40026\)"):
        parse_query_options(options)


def test_return_metadata_false_fails_as_in_production() -> None:
    """The runtime sends `false`, which the service refuses; it turns `true` into "all"."""
    assert parse_query_options({"returnMetadata": True}).return_metadata == "all"
    with pytest.raises(BindingError, match=r"40026\).*returnMetadata: expected value"):
        parse_query_options({"returnMetadata": False})


def test_an_unknown_level_of_metadata_fails_in_the_runtime() -> None:
    """The sentence is the runtime's own, without a code."""
    with pytest.raises(BindingError, match=r"^Error: Invalid returnMetadata option.*got: some$"):
        parse_query_options({"returnMetadata": "some"})
