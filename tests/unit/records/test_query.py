"""The parameters of a list's URL, and the errors for all others."""

from __future__ import annotations

import pytest

from cognate.errors import InvalidInput
from cognate.pagination import encode_cursor
from cognate.records.query import MAX_FILTERS, MAX_IN_VALUES, RecordFilter, parse_list_query
from tests.stage.records import posts


def query(**parameters: str) -> dict[str, list[str]]:
    """Parameters, with `__` in place of the dot before an operator."""
    return {name.replace("__", "."): [value] for name, value in parameters.items()}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"title": "x"}, ("title", "=", "x")),
        ({"title__eq": "x"}, ("title", "=", "x")),
        ({"title": ""}, ("title", "=", "")),
        ({"title__ne": "x"}, ("title", "<>", "x")),
        ({"title": "null"}, ("title", "=", None)),
        ({"title__ne": "null"}, ("title", "<>", None)),
        ({"title__gt": "null"}, ("title", ">", "null")),
        ({"title__like": "%x_"}, ("title", "LIKE", "%x_")),
        ({"year__gte": "2024"}, ("year", ">=", 2024)),
        ({"year__lt": "2024.5"}, ("year", "<", 2024.5)),
        ({"value__lte": "-1e3"}, ("value", "<=", -1000)),
        ({"year__in": "2024,2025"}, ("year", "IN", "[2024, 2025]")),
        ({"title__in": "a,,\u00e9"}, ("title", "IN", '["a", "", "\u00e9"]')),
        ({"isPublic": "true"}, ("is_public", "=", 1)),
        ({"isPublic__ne": "false"}, ("is_public", "<>", 0)),
        (
            {"publishedAt__gt": "2026-01-01"},
            ("published_at", ">", "2026-01-01T00:00:00.000000Z"),
        ),
        (
            {"publishedAt__in": "2026-01-01T02:00:00.5+02:00,2026-01-01"},
            (
                "published_at",
                "IN",
                '["2026-01-01T00:00:00.500000Z", "2026-01-01T00:00:00.000000Z"]',
            ),
        ),
        ({"id__gt": "p1"}, ("id", ">", "p1")),
        ({"createdAt__gte": "2026-11-20"}, ("created_at", ">=", "2026-11-20T00:00:00.000Z")),
        (
            {"updatedAt__lt": "2026-11-20T12:00:00+02:00"},
            ("updated_at", "<", "2026-11-20T10:00:00.000Z"),
        ),
    ],
)
def test_a_filter_compares_a_column_with_a_typed_value(
    parameters: dict[str, str], expected: tuple[str, str, object]
) -> None:
    """A filter has the JSON name of a field and a value of the column's type."""
    [found] = parse_list_query(posts, query(**parameters)).filters

    assert found == RecordFilter(*expected)  # type: ignore[arg-type]  # a table of values


@pytest.mark.parametrize(
    ("parameters", "pointer", "message"),
    [
        ({"limit": "0"}, "?limit", "1 to 100"),
        ({"limit": "101"}, "?limit", "1 to 100"),
        ({"limit": "000000001000000"}, "?limit", "1 to 100"),
        ({"limit": "1" * 5000}, "?limit", "1 to 100"),
        ({"limit": "-1"}, "?limit", "1 to 100"),
        ({"limit": "ten"}, "?limit", "1 to 100"),
        ({"limit": ""}, "?limit", "1 to 100"),
        ({"limit": "\u0663"}, "?limit", "1 to 100"),
        ({"total": "yes"}, "?total", "true or false"),
        ({"sort": "nothing"}, "?sort", "must be one of id, createdAt, updatedAt, title"),
        ({"sort": "tags"}, "?sort", "must be one of"),
        ({"sort": "--id"}, "?sort", "must be one of"),
        ({"sort": ""}, "?sort", "must be one of"),
        ({"sort": "organizationId"}, "?sort", "must be one of"),
        ({"cursor": "x"}, "?cursor", "is not a cursor of this list"),
        ({"cursor": ""}, "?cursor", "is not a cursor of this list"),
        ({"nothing": "x"}, "?nothing", "is no field to filter by; these are: id, createdAt"),
        ({"is_public": "true"}, "?is_public", "is no field"),
        ({"organizationId": "org_globex"}, "?organizationId", "is no field"),
        ({"deletedAt": "null"}, "?deletedAt", "is no field"),
        ({"embedding": "x"}, "?embedding", "is no field"),
        ({"tags": "x"}, "?tags", "is no field"),
        ({"title__contains": "x"}, "?title.contains", "none of eq, ne, gt, gte, lt, lte, in, like"),
        ({"title__": "x"}, "?title.", "operator"),
        ({"title__gt__x": "x"}, "?title.gt.x", "operator"),
        ({"x" * 80: "x"}, "?", "is no field"),
        ({"title": "a\x00b"}, "?title", "no NUL"),
        ({"title__like": "\u00e9" * 26}, "?title.like", "at most 50 bytes"),
        ({"year__like": "2%"}, "?year.like", "only fields of text"),
        ({"year": "soon"}, "?year", "must be a number"),
        ({"year": "1e999"}, "?year", "finite number"),
        ({"year": "nan"}, "?year", "finite number"),
        ({"year": str(2**53)}, "?year", "2^53 - 1"),
        ({"year__gt": "null"}, "?year.gt", "must be a number"),
        ({"year__in": "1,x"}, "?year.in", "must be a number"),
        ({"year__in": ",".join("1" * (MAX_IN_VALUES + 1))}, "?year.in", "at most 100 values"),
        ({"isPublic": "1"}, "?isPublic", "true or false"),
        ({"createdAt__gt": "yesterday"}, "?createdAt.gt", "a time in ISO 8601"),
        ({"createdAt__gt": "0001-01-01T00:00:00+14:00"}, "?createdAt.gt", "a time in ISO 8601"),
        ({"publishedAt": "2026"}, "?publishedAt", "a time in ISO 8601"),
        ({"publishedAt": "2026-01-01T00:00:00 02:00"}, "?publishedAt", "(a + is %2B in a URL)"),
        ({"publishedAt__like": "2026%"}, "?publishedAt.like", "only fields of text"),
    ],
)
def test_broken_rules_are_pointed_at(
    parameters: dict[str, str], pointer: str, message: str
) -> None:
    """The message says what is allowed."""
    with pytest.raises(InvalidInput) as caught:
        parse_list_query(posts, query(**parameters))

    [error] = caught.value.fields
    assert error.pointer == pointer
    assert message in error.message


def test_a_parameter_is_given_once() -> None:
    """A parameter with two values is refused."""
    with pytest.raises(InvalidInput) as caught:
        parse_list_query(posts, {"title": ["a", "b"]})

    assert caught.value.fields[0].pointer == "?title"


def test_filters_are_bounded() -> None:
    """A list takes at most 20 filters, because SQL limits the depth of a statement."""
    columns = ("title", "slug", "id")
    operators = ("eq", "ne", "gt", "gte", "lt", "lte", "like")
    many = {f"{name}.{operator}": ["x"] for name in columns for operator in operators}
    assert len(many) == MAX_FILTERS + 1

    with pytest.raises(InvalidInput, match="at most 20 filters"):
        parse_list_query(posts, many)
    many.popitem()
    assert len(parse_list_query(posts, many).filters) == MAX_FILTERS


def test_the_first_twenty_mistakes_are_named() -> None:
    """One answer names up to 20 mistakes."""
    with pytest.raises(InvalidInput) as caught:
        parse_list_query(posts, {f"x{number}": [""] for number in range(30)})

    assert len(caught.value.fields) == 20


def test_a_cursor_that_ends_in_no_id_is_refused() -> None:
    """Callers can write any cursor, so its values are checked."""
    context = parse_list_query(posts, {}).context

    with pytest.raises(InvalidInput, match="not a cursor of this list"):
        parse_list_query(posts, {"cursor": [encode_cursor(["a", 1], context)]})


def test_a_context_is_of_the_filters_and_the_order_whatever_their_sequence() -> None:
    """The limit and the total are not part of the context."""
    one = parse_list_query(posts, query(title="x", year="1", limit="5", total="true"))
    two = parse_list_query(posts, query(year="1", title="x"))
    others = [query(title="x"), query(title="y", year="1"), query(title="x", year="1", sort="-id")]

    assert one.context == two.context
    assert one.context not in {parse_list_query(posts, other).context for other in others}
