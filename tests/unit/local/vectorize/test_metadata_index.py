"""Tests of `local.vectorize.metadata_index`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.vectorize.index_config import PropertyType
from local.vectorize.metadata_index import as_metadata, cut_string, indexed_values


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        ("string", "a", "a"),
        ("string", 1, None),
        ("string", None, None),
        ("string", ["a"], None),
        ("number", 1, 1.0),
        ("number", 1.5, 1.5),
        # JSON keeps booleans and numbers apart, though Python does not.
        ("number", True, None),
        ("number", "1", None),
        ("boolean", False, False),
        ("boolean", 0, None),
    ],
)
def test_an_index_holds_values_of_its_own_type(
    kind: PropertyType, value: object, held: object
) -> None:
    """Each row is one type with one value."""
    assert indexed_values({"key": value}, {"key": kind}).get("key") == held


def test_only_indexed_properties_are_held() -> None:
    """The others are stored, but no filter sees them."""
    assert indexed_values({"a": "x", "b": "y"}, {"a": "string", "c": "string"}) == {"a": "x"}
    assert indexed_values(None, {"a": "string"}) == {}


def test_dots_reach_into_nested_metadata() -> None:
    """`pandas.nice` is the `nice` of `pandas`."""
    metadata = {"pandas": {"nice": 42}, "flat": "x"}
    indexes: dict[str, PropertyType] = {"pandas.nice": "number", "flat.nice": "string"}
    assert indexed_values(metadata, indexes) == {"pandas.nice": 42.0}


def test_indexed_values_take_the_shape_of_metadata() -> None:
    """A name with dots becomes nested again."""
    held: dict[str, Any] = {"a.b": 1.0, "a.c": "x", "d": True}
    assert as_metadata(held) == {"a": {"b": 1.0, "c": "x"}, "d": True}


def test_64_bytes_are_held_and_the_65th_is_not() -> None:
    """This is Vectorize's limit of an indexed string."""
    assert cut_string("a" * 64) == "a" * 64
    assert cut_string("a" * 65) == "a" * 64


def test_a_string_is_cut_between_characters() -> None:
    """A letter of two bytes that exceeds the limit is left out."""
    assert cut_string("a" * 63 + "é") == "a" * 63


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_cut_is_the_longest_beginning_that_fits(text: str) -> None:
    """The property holds for any text."""
    cut = cut_string(text)
    assert text.startswith(cut)
    assert len(cut.encode()) <= 64
    assert cut == text or len(text[: len(cut) + 1].encode()) > 64
