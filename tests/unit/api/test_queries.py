"""From the parameters of a URL to a model."""

from __future__ import annotations

import pytest

from cognate.api.queries import DEFAULT_LIMIT, PageQuery, QueryModel, parse_query
from cognate.errors import InvalidInput


class Search(QueryModel):
    """A query of two words."""

    story_id: str | None = None


def _pointers(query: dict[str, list[str]]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_query(PageQuery, query)
    return [field.pointer for field in caught.value.fields]


def test_what_is_not_given_has_its_default() -> None:
    """And what is given becomes a number."""
    assert parse_query(PageQuery, {}) == PageQuery(limit=DEFAULT_LIMIT, cursor=None)
    assert parse_query(PageQuery, {"limit": ["7"], "cursor": ["x"]}) == PageQuery(
        limit=7, cursor="x"
    )


def test_names_are_those_of_json() -> None:
    """No others."""
    assert parse_query(Search, {"storyId": ["s"]}).story_id == "s"
    with pytest.raises(InvalidInput):
        parse_query(Search, {"story_id": ["s"]})


def test_each_parameter_is_given_once() -> None:
    """Which of two would be meant?"""
    assert _pointers({"limit": ["1", "2"], "cursor": ["a", "a"]}) == ["?limit", "?cursor"]


def test_a_long_name_is_not_handed_back() -> None:
    """It is the caller's own, whatever it is."""
    assert _pointers({"x" * 65: ["1"]}) == ["?"]
    assert _pointers({"x" * 64: ["1"]}) == ["?" + "x" * 64]
