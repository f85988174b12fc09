"""The part of a list's answer that says where its page stands."""

from __future__ import annotations

import json

from cognate.api.pages import pagination_of
from cognate.pagination import Page


def test_a_page_in_the_middle_says_where_the_next_one_begins() -> None:
    """`total` is left out unless it was asked for."""
    page = Page(items=["a", "b"], limit=2, next_cursor="abc")

    assert json.loads(pagination_of(page).to_json()) == {
        "count": 2,
        "limit": 2,
        "nextCursor": "abc",
        "hasMore": True,
    }


def test_the_last_page_has_no_next_one() -> None:
    """And a total is there where it was asked for, also when it is 0."""
    page = Page[str](items=[], limit=50, next_cursor=None, total=0)

    assert json.loads(pagination_of(page).to_json()) == {
        "count": 0,
        "limit": 50,
        "nextCursor": None,
        "hasMore": False,
        "total": 0,
    }
