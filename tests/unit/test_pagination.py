"""Cursors are read back as they were written, and only for their own list."""

from __future__ import annotations

import json
import re
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.errors import InvalidInput
from cognate.pagination import MAX_CURSOR_CHARACTERS, Page, decode_cursor, encode_cursor

VALUES = st.lists(
    st.none()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, max_value=1e300, min_value=-1e300)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50),
    max_size=4,
)


def encoded(value: object) -> str:
    """Encodes any JSON as a cursor."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(values=VALUES, context=st.text(max_size=20))
def test_a_cursor_is_read_as_it_was_written(values: list[object], context: str) -> None:
    """A cursor keeps every digit and character, and is safe in a URL."""
    cursor = encode_cursor(values, context)  # type: ignore[arg-type]  # of the strategy's values

    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert decode_cursor(cursor, context) == values
    assert decode_cursor(cursor, context, len(values)) == values


def test_a_cursor_is_for_one_list() -> None:
    """A cursor of another context or another number of values is refused."""
    cursor = encode_cursor(["x", 1], "claims by id")

    for context, count in (("claims by time", None), ("", 2), ("claims by id", 1)):
        with pytest.raises(InvalidInput):
            decode_cursor(cursor, context, count)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "====",
        "\u00e9",
        "\ud800",
        "a b",
        encoded([]),
        encoded({}),
        encoded("x"),
        encoded(None),
        encoded(5),
        encoded(["x", 1]),
        "W" * (MAX_CURSOR_CHARACTERS + 1),
        encoded([[]] * 500),
        urlsafe_b64encode(b"\xff\xff").decode(),
        urlsafe_b64encode(b"[" * 3000).decode(),
    ],
)
def test_anything_else_is_refused(cursor: str) -> None:
    """The error says how to continue."""
    with pytest.raises(InvalidInput) as caught:
        decode_cursor(cursor, "context")

    [error] = caught.value.fields
    assert error.pointer == "?cursor"
    assert "start again without a cursor" in error.message


@pytest.mark.parametrize(
    "value", ["a\x00b", "\ud800", True, [1], {"a": 1}, float("inf"), float("nan"), 10**400]
)
def test_what_cannot_be_bound_is_refused(value: object) -> None:
    """A forged cursor cannot contain a value that D1 refuses."""
    tie = json.loads(_decoded(encode_cursor([], "context")))

    with pytest.raises(InvalidInput):
        decode_cursor(encoded([*tie, value]), "context")


def _decoded(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def test_a_page_says_whether_there_is_another() -> None:
    """A page with a cursor has a next page."""
    assert Page([1], 1, "cursor").has_more
    assert not Page([1], 1, None).has_more


def test_the_largest_number_of_a_list_can_end_a_page() -> None:
    """A cursor can hold any number that a column holds."""
    assert decode_cursor(encode_cursor([sys.float_info.max, "id"], "x"), "x") == [
        sys.float_info.max,
        "id",
    ]
