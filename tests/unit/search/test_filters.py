"""Filters: their validation, their form for Vectorize, and the exact decision."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.errors import FieldError, InvalidInput
from cognate.ports import MAX_FILTER_BYTES, Scalar
from cognate.search.filters import MAX_EXACT_INTEGER, MAX_LIST, OPERATORS, Filter, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognate.schema.field_types import MetadataType

FIELDS: Final[dict[str, MetadataType]] = {
    "storyId": "string",
    "views": "number",
    "verified": "boolean",
}
RANGES: Final = ("$gt", "$gte", "$lt", "$lte")
SIXTY: Final = "a" * 60


def refused(given_filter: object, fields: dict[str, MetadataType] = FIELDS) -> list[FieldError]:
    """The broken rules of a filter that must be refused."""
    with pytest.raises(InvalidInput) as caught:
        parse_filter(given_filter, fields)
    return list(caught.value.fields)


def test_a_bare_value_means_equal() -> None:
    """A bare value and `$eq` are the same filter."""
    bare = parse_filter({"storyId": "s1", "views": 3, "verified": True}, FIELDS)
    spelled = {"storyId": {"$eq": "s1"}, "views": {"$eq": 3}, "verified": {"$eq": True}}
    assert bare == parse_filter(spelled, FIELDS)
    assert bare.conditions == spelled


def test_an_empty_filter_lets_everything_through() -> None:
    """An empty filter has no clause and only the scope as condition."""
    empty = parse_filter({}, FIELDS)
    assert empty == Filter()
    assert empty.conditions == {}
    assert empty.matches({})
    assert empty.with_scope("org_1", "claims") == {"organizationId": "org_1", "table": "claims"}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_reaches_vectorize(name: str) -> None:
    """Each of the eight operators is accepted and passed on."""
    value: object = ["a", "b"] if name in ("$in", "$nin") else "a"
    assert parse_filter({"storyId": {name: value}}, FIELDS).conditions == {"storyId": {name: value}}


@pytest.mark.parametrize("lower", ["$gt", "$gte"])
@pytest.mark.parametrize("upper", ["$lt", "$lte"])
def test_a_lower_and_an_upper_bound_make_a_range(lower: str, upper: str) -> None:
    """A range is the only combination of operators that Vectorize allows."""
    found = parse_filter({"views": {lower: 1, upper: 5}}, FIELDS)
    assert found.conditions == {"views": {lower: 1, upper: 5}}
    assert found.matches({"views": 3})
    assert not found.matches({"views": 6})


@pytest.mark.parametrize(
    "operators",
    [
        {"$eq": 1, "$ne": 2},
        {"$gt": 1, "$gte": 1},
        {"$lt": 1, "$lte": 1},
        {"$gt": 1, "$ne": 2},
        {"$in": [1], "$nin": [2]},
        {"$gt": 1, "$gte": 1, "$lt": 5},
    ],
)
def test_other_combinations_are_refused(operators: dict[str, object]) -> None:
    """The message names the combination that Vectorize allows."""
    (error,) = refused({"views": operators})
    assert error.pointer == "/filter/views"
    assert "use one alone, or one of $gt and $gte with one of $lt and $lte" in error.message


@pytest.mark.parametrize("key", ["organizationId", "organization_id", "table"])
def test_the_scope_cannot_be_named(key: str) -> None:
    """The organization and the table are refused even if the table declares such a field."""
    expected = "cannot be filtered by: the server sets the organization and the table; remove it"
    assert refused({key: "x"}, {**FIELDS, key: "string"}) == [
        FieldError(f"/filter/{key}", expected)
    ]


@pytest.mark.parametrize("key", ["$and", "$eq", "story.id", 'story"id'])
def test_names_that_vectorize_keeps_for_itself_are_refused(key: str) -> None:
    """Operators at the top level, dots and quotes never reach Vectorize."""
    (error,) = refused({key: "x"}, {**FIELDS, key: "string"})
    assert error.pointer == f"/filter/{key}"
    assert "is no metadata field: operators such as $eq stand inside" in error.message


def test_an_unknown_key_is_answered_with_the_declared_ones() -> None:
    """Vectorize would silently match nothing for an unknown key."""
    expected = "is no metadata field of this table; use one of storyId, views, verified"
    assert refused({"story_id": "x"}) == [FieldError("/filter/story_id", expected)]


def test_a_table_without_metadata_says_so() -> None:
    """The message says to remove the key."""
    expected = "cannot be filtered by: this table declares no metadata; remove it"
    assert refused({"storyId": "x"}, {}) == [FieldError("/filter/storyId", expected)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("storyId", 1),
        ("storyId", True),
        ("storyId", ["a"]),
        ("storyId", "\ud800"),
        ("views", "1"),
        ("views", True),
        ("views", float("nan")),
        ("views", float("inf")),
        ("views", MAX_EXACT_INTEGER + 1),
        ("verified", 1),
        ("verified", "true"),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, value: object) -> None:
    """Each message names the type, and a boolean is not a number."""
    for condition, pointer in ((value, f"/filter/{key}"), ({"$ne": value}, f"/filter/{key}/$ne")):
        (error,) = refused({key: condition})
        assert error.pointer == pointer
        assert error.message.startswith("must be ")


@pytest.mark.parametrize("condition", [None, {"$eq": None}, {"$ne": None}])
def test_null_is_refused(condition: object) -> None:
    """Vectorize does not document what null means."""
    (error,) = refused({"storyId": condition})
    assert "a filter cannot ask for null; leave the field out" in error.message


@pytest.mark.parametrize("name", ["$in", "$nin"])
@pytest.mark.parametrize("values", [[], [0] * (MAX_LIST + 1), 1, "ab", {"a": 1}, None])
def test_a_list_has_one_to_a_hundred_values(name: str, values: object) -> None:
    """Empty lists, too long lists and other values are refused."""
    expected = FieldError(f"/filter/views/{name}", "must be a list of 1 to 100 values")
    assert refused({"views": {name: values}}) == [expected]


def test_a_list_of_a_hundred_values_passes() -> None:
    """A list of exactly a hundred values is allowed."""
    assert parse_filter({"views": {"$in": [1] * MAX_LIST}}, FIELDS).matches({"views": 1})


def test_a_wrong_value_in_a_list_is_named_by_its_position() -> None:
    """The pointer leads to the value in the list."""
    pointers = [error.pointer for error in refused({"views": {"$in": [1, "2", 3, None]}})]
    assert pointers == ["/filter/views/$in/1", "/filter/views/$in/3"]


@pytest.mark.parametrize("name", RANGES)
def test_booleans_have_no_order(name: str) -> None:
    """The message names the operators that booleans have."""
    expected = "cannot order true and false; use $eq, $ne, $in or $nin"
    assert refused({"verified": {name: True}}) == [FieldError(f"/filter/verified/{name}", expected)]


def test_an_unknown_operator_is_answered_with_the_eight() -> None:
    """The message lists the eight operators."""
    expected = f"is no operator; use one of {', '.join(OPERATORS)}"
    assert refused({"views": {"$regex": "x"}}) == [FieldError("/filter/views/$regex", expected)]


def test_an_object_without_operators_is_refused() -> None:
    """An empty object asks for nothing."""
    expected = f"needs a value or one of {', '.join(OPERATORS)}"
    assert refused({"views": {}}) == [FieldError("/filter/views", expected)]


@pytest.mark.parametrize("value", [None, [], "storyId", 1])
def test_a_filter_is_an_object(value: object) -> None:
    """Any other value is one error at the filter itself."""
    (error,) = refused(value)
    assert error.pointer == "/filter"


def test_every_broken_rule_is_named_at_once() -> None:
    """Each broken rule has its own pointer, escaped as in RFC 6901."""
    pointers = [error.pointer for error in refused({"a/b~c": 1, "views": "x", "table": "y", "": 1})]
    assert pointers == ["/filter/a~1b~0c", "/filter/views", "/filter/table", "/filter/"]


def test_the_pointer_is_where_the_caller_put_the_filter() -> None:
    """Errors point below the place of the filter in the request."""
    with pytest.raises(InvalidInput) as caught:
        parse_filter({"x": 1}, FIELDS, "/items/0/filter")
    assert caught.value.fields[0].pointer == "/items/0/filter/x"


def test_a_long_string_is_asked_for_by_its_indexed_part() -> None:
    """`$eq` and `$in` are cut at 64 bytes for Vectorize; the whole string decides later."""
    long = "a" * 63 + "é" + "b"
    for condition in (long, {"$in": [long, long + "c"]}):
        found = parse_filter({"storyId": condition}, FIELDS)
        (asked,) = found.conditions["storyId"].values()
        assert asked in ("a" * 63, ["a" * 63])
        assert found.matches({"storyId": long})
        assert not found.matches({"storyId": "a" * 63})


def test_a_string_of_64_bytes_is_asked_for_whole() -> None:
    """A string of exactly 64 bytes is not cut."""
    assert parse_filter({"storyId": "a" * 64}, FIELDS).conditions == {"storyId": {"$eq": "a" * 64}}
    assert parse_filter({"storyId": "a" * 65}, FIELDS).conditions == {"storyId": {"$eq": "a" * 64}}


@pytest.mark.parametrize("name", ["$ne", *RANGES])
def test_what_the_index_cannot_decide_is_left_to_the_second_look(name: str) -> None:
    """A value that a cut string could equal is left out for Vectorize and still decides."""
    assert parse_filter({"storyId": {name: SIXTY}}, FIELDS).conditions == {"storyId": {name: SIXTY}}
    assert parse_filter({"storyId": {name: SIXTY + "b"}}, FIELDS).conditions == {}


def test_only_the_undecidable_values_of_nin_are_left_out() -> None:
    """The short values of `$nin` still narrow the search."""
    some = parse_filter({"storyId": {"$nin": ["a", "b" * 61]}}, FIELDS)
    assert some.conditions == {"storyId": {"$nin": ["a"]}}
    assert parse_filter({"storyId": {"$nin": ["b" * 61]}}, FIELDS).conditions == {}
    assert not some.matches({"storyId": "b" * 61})


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("metadata", [{}, {"views": None}, {"views": "1"}, {"views": True}])
def test_a_record_without_a_value_matches_nothing(
    name: str, metadata: dict[str, Scalar | None]
) -> None:
    """As with NULL in SQL, not even `$ne` and `$nin` match a missing value."""
    value: object = [1] if name in ("$in", "$nin") else 1
    assert not parse_filter({"views": {name: value}}, FIELDS).matches(metadata)


def test_a_boolean_from_d1_is_a_boolean() -> None:
    """D1 returns 0 and 1 for a boolean column."""
    found = parse_filter({"verified": False}, FIELDS)
    assert found.matches({"verified": 0})
    assert found.matches({"verified": False})
    assert not found.matches({"verified": 1})
    assert not found.matches({"verified": 2})


def test_the_scope_wins_over_everything() -> None:
    """The organization and the table are set last, beside the caller's conditions."""
    found = parse_filter({"views": {"$gte": 2}}, FIELDS).with_scope("org_1", "claims")
    assert found == {"views": {"$gte": 2}, "organizationId": "org_1", "table": "claims"}


def test_the_complete_filter_is_shorter_than_2048_bytes() -> None:
    """The limit counts the UTF-8 bytes of the whole filter, and one byte more is refused."""

    def scoped(last: str) -> dict[str, Any]:
        values = [f"{n:04}" + "é" * 27 for n in range(32)]
        found = parse_filter({"storyId": {"$in": [*values, last]}}, FIELDS)
        return found.with_scope("org_1", "claims")

    def size(last: str) -> int:
        complete = json.dumps(scoped(last), ensure_ascii=False, separators=(",", ":"))
        return len(complete.encode())

    fitting = "x" * (MAX_FILTER_BYTES - size(""))
    assert 0 < len(fitting) < 60
    assert size(fitting) == MAX_FILTER_BYTES
    with pytest.raises(InvalidInput, match="2048 bytes as JSON") as caught:
        scoped(fitting + "x")
    assert caught.value.fields[0].pointer == "/filter"


SIMPLE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: not value == wanted,  # noqa: SIM201 - spelled as it is meant
    "$in": lambda value, wanted: any(value == one for one in wanted),
    "$nin": lambda value, wanted: all(not value == one for one in wanted),  # noqa: SIM201
    "$lt": lambda value, wanted: bool(value < wanted),
    "$lte": lambda value, wanted: bool(value < wanted or value == wanted),
    "$gt": lambda value, wanted: bool(value > wanted),
    "$gte": lambda value, wanted: bool(value > wanted or value == wanted),
}
VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "storyId": st.one_of(
        st.text("ab\u00e9\U0001f600", max_size=3),
        st.builds(lambda n, end: "a" * n + end, st.integers(58, 66), st.text("aé😀", max_size=2)),
    ),
    "views": st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -0.0, 1.0])),
    "verified": st.booleans(),
}


@st.composite
def conditions(draw: st.DrawFn, key: str) -> dict[str, Any]:
    """A condition on one key: one operator, or a range."""
    value = VALUES[key]
    single = st.sampled_from(OPERATORS if key != "verified" else OPERATORS[:4])
    names = [draw(single)]
    if names[0] in ("$gt", "$gte") and draw(st.booleans()):
        names.append(draw(st.sampled_from(["$lt", "$lte"])))
    lists = st.lists(value, min_size=1, max_size=3)
    return {name: draw(lists if name in ("$in", "$nin") else value) for name in names}


filters = st.fixed_dictionaries({}, optional={key: conditions(key) for key in FIELDS})
records = st.fixed_dictionaries(
    {}, optional={key: st.one_of(st.none(), value) for key, value in VALUES.items()}
)


def meets(asked: dict[str, Any], record: dict[str, Any]) -> bool:
    """The plain meaning of a filter."""
    return all(
        record.get(key) is not None and SIMPLE[name](record[key], wanted)
        for key, operators in asked.items()
        for name, wanted in operators.items()
    )


def indexed(value: Any) -> Any:
    """The longest part of a value that fits into 64 bytes, as Vectorize indexes it."""
    while isinstance(value, str) and len(value.encode()) > 64:
        value = value[:-1]
    return value


@given(filters, records)
def test_matches_agrees_with_the_plain_meaning(
    asked: dict[str, Any], record: dict[str, Any]
) -> None:
    """`matches` decides by the plain meaning of the operators."""
    assert parse_filter(asked, FIELDS).matches(record) == meets(asked, record)


@given(filters, records)
def test_vectorize_is_never_asked_for_less(asked: dict[str, Any], record: dict[str, Any]) -> None:
    """Every record that `matches` accepts also meets the conditions for Vectorize."""
    found = parse_filter(asked, FIELDS)
    if found.matches(record):
        in_index = {key: indexed(value) for key, value in record.items()}
        assert meets(found.conditions, in_index)
