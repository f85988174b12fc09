"""ETags and the headers that name them."""

from __future__ import annotations

import re

import pytest

from cognate.records.changes import Precondition
from cognate.records.codec import etag_of

ONE, TWO = etag_of("1"), etag_of("2")


def test_an_etag_is_strong_and_the_versions_own() -> None:
    """In double quotes, of characters that every header takes."""
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
    """For a write by the strong comparison, for a read by the weak one; what is odd names none."""
    condition = Precondition.parse(header)

    assert (condition.allows_writing(ONE), condition.has_seen(ONE)) == (writes, seen)


def test_a_header_of_white_space_is_read_in_one_go() -> None:
    """A megabyte of it, as a batch can send, takes no longer than its length."""
    assert Precondition.parse('"a",' + " " * 1_000_000 + "x") == Precondition()
