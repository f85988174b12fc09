"""ETags, and the headers with preconditions."""

from __future__ import annotations

import re

import pytest

from cognate.records.changes import Precondition
from cognate.records.codec import etag_of

ONE, TWO = etag_of("1"), etag_of("2")


def test_an_etag_is_strong_and_the_versions_own() -> None:
    """An ETag is in double quotes and has only characters that a header allows."""
    assert re.fullmatch(r'"[A-Za-z0-9_-]{43}"', ONE)
    assert etag_of("1") == ONE != TWO
    assert etag_of("\ud800")


@pytest.mark.parametrize(
    ("header", "writes", "seen"),
    [
        (ONE, True, True),
        (f"{TWO}, {ONE}", True, True),
        (f" {TWO} ,,{ONE} ", True, True),
        (f"W/{ONE}", False, True),
        ("*", True, True),
        (" * ", True, True),
        (TWO, False, False),
        ("", False, False),
        (ONE.strip('"'), False, False),
        (f"{ONE} {TWO}", False, False),
        (f"{ONE}, *", False, False),
        (f"w/{ONE}", False, False),
        (ONE[:-1], False, False),
        ('""', False, False),
        ("," * 10_000, False, False),
    ],
)
def test_a_condition_names_states(header: str, writes: bool, seen: bool) -> None:  # noqa: FBT001 - a table
    """A write compares strongly, a read weakly, and a header that is not valid names nothing."""
    condition = Precondition.parse(header)

    assert (condition.allows_writing(ONE), condition.has_seen(ONE)) == (writes, seen)


def test_a_header_of_white_space_is_read_in_one_go() -> None:
    """The time to read a header grows with its length, not with the square of it."""
    assert Precondition.parse('"a",' + " " * 1_000_000 + "x") == Precondition()
