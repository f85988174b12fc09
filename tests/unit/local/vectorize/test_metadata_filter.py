"""Tests of `local.vectorize.metadata_filter`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.failures import BindingError
from local.vectorize.metadata_filter import OPERATORS, parse_metadata_filter
from local.vectorize.metadata_index import IndexedValue

SCALARS = (
    st.text(alphabet="abc", max_size=3)
    | st.integers(-3, 3).map(float)
    | st.floats(-3, 3)
    | st.booleans()
)


def matches(condition: object, value: IndexedValue | None) -> bool:
    """Whether a vector with this indexed value (None: no value) passes the condition."""
    return parse_metadata_filter({"key": condition}).matches(
        {} if value is None else {"key": value}
    )


@pytest.mark.parametrize(
    ("condition", "value", "passes"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ({"$eq": 1}, 1.0, True),
        ({"$ne": "a"}, "b", True),
        ({"$ne": "a"}, "a", False),
        ({"$in": ["a", "b"]}, "b", True),
        ({"$in": []}, "b", False),
        ({"$nin": ["a"]}, "b", True),
        ({"$nin": ["a", "b"]}, "b", False),
        ({"$lt": 2}, 1.0, True),
        ({"$lt": 2}, 2.0, False),
        ({"$lte": 2}, 2.0, True),
        ({"$lte": 2}, 2.5, False),
        ({"$gt": "a"}, "b", True),
        ({"$gt": "b"}, "b", False),
        ({"$gte": "b"}, "b", True),
        ({"$gte": "b"}, "a", False),
        ({"$gte": 1, "$lt": 3}, 2.0, True),
        ({"$gte": 1, "$lt": 3}, 3.0, False),
        # Null is never indexed: nothing equals it, and everything indexed differs from it.
        (None, "a", False),
        ({"$ne": None}, "a", True),
        # Another type is another value for equality, and no order.
        (True, 1.0, False),
        (1, True, False),
        ({"$lt": "b"}, 1.0, False),
        ({"$ne": "a"}, 1.0, False),
    ],
)
def test_each_operator(condition: object, value: IndexedValue | None, passes: bool) -> None:  # noqa: FBT001
    """Each row is one operator with one outcome."""
    assert matches(condition, value) is passes


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_what_no_index_holds_matches_nothing(name: str) -> None:
    """A filter on such a key finds no vector, even with `$ne` and `$nin`."""
    operand: object = ["a"] if name in {"$in", "$nin"} else "a"
    assert not matches({name: operand}, None)


def test_there_are_eight_operators() -> None:
    """They are those of Cloudflare's page."""
    assert len(OPERATORS) == 8


def test_all_conditions_must_hold() -> None:
    """Several keys are joined by AND."""
    both = parse_metadata_filter({"a": 1, "b.c": {"$ne": True}})
    assert both.matches({"a": 1.0, "b.c": False})
    assert not both.matches({"a": 1.0, "b.c": True})
    assert not both.matches({"a": 2.0, "b.c": False})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "non-empty object"),
        ([], "non-empty object"),
        ("a", "non-empty object"),
        ({"": 1}, "keys must not be empty"),
        ({"a.": 1}, "keys must not be empty"),
        ({".a": 1}, "keys must not be empty"),
        ({'a"': 1}, "double quote"),
        ({"$and": 1}, "start with"),
        ({"a.$b": 1}, "start with"),
        ({"a": {}}, "cannot be combined"),
        ({"a": {"$or": 1}}, "unknown operator"),
        ({"a": {"b": 1}}, "unknown operator"),
        ({"a": {"$eq": 1, "$ne": 2}}, "cannot be combined"),
        ({"a": {"$gt": 1, "$gte": 2}}, "cannot be combined"),
        ({"a": {"$gt": 1, "$eq": 2}}, "cannot be combined"),
        ({"a": ["b"]}, "needs a string"),
        ({"a": {"$eq": ["b"]}}, "needs a string"),
        ({"a": {"$in": "b"}}, "needs an array"),
        ({"a": {"$in": [["b"]]}}, "needs a string"),
        ({"a": {"$lt": True}}, "needs a string or a number"),
        ({"a": {"$lt": None}}, "needs a string or a number"),
    ],
)
def test_an_invalid_filter_is_refused(value: object, reason: str) -> None:
    """Each row is one invalid filter."""
    with pytest.raises(BindingError, match=r"\(code = 40026\).*filter: ") as raised:
        parse_metadata_filter(value)
    assert reason in raised.value.message


def test_2047_bytes_pass_and_2048_do_not() -> None:
    """A filter has less than 2048 bytes of compact JSON."""
    around = len('{"key":""}')
    parse_metadata_filter({"key": "a" * (2047 - around)})
    with pytest.raises(BindingError, match="less than 2048 bytes, got 2048 bytes"):
        parse_metadata_filter({"key": "a" * (2048 - around)})


def test_a_key_of_512_characters_passes_and_one_of_513_does_not() -> None:
    """This is Vectorize's limit of a filter key."""
    parse_metadata_filter({"k" * 512: 1})
    with pytest.raises(BindingError, match="longer than 512 characters"):
        parse_metadata_filter({"k" * 513: 1})


@given(value=SCALARS, operand=SCALARS)
def test_equality_and_its_opposite_never_both_hold(
    value: IndexedValue, operand: IndexedValue
) -> None:
    """For values of one type exactly one holds."""
    equal, differs = matches({"$eq": operand}, value), matches({"$ne": operand}, value)
    assert not (equal and differs)
    if type(value) is type(operand):
        assert equal != differs


@given(value=SCALARS, operand=SCALARS)
def test_a_set_of_one_is_equality(value: IndexedValue, operand: IndexedValue) -> None:
    """`$in: [x]` is `$eq: x`."""
    assert matches({"$in": [operand]}, value) == matches(operand, value)


@given(value=SCALARS, operand=SCALARS.filter(lambda operand: not isinstance(operand, bool)))
def test_the_four_orders_agree(value: IndexedValue, operand: IndexedValue) -> None:
    """For one type exactly one of less, equal and greater holds; for two types none."""
    outcomes = [
        matches({"$lt": operand}, value),
        matches({"$eq": operand}, value),
        matches({"$gt": operand}, value),
    ]
    assert sum(outcomes) == (1 if type(value) is type(operand) else 0)
    assert matches({"$lte": operand}, value) == (outcomes[0] or outcomes[1])
    assert matches({"$gte": operand}, value) == (outcomes[2] or outcomes[1])
