"""The substitute for SQLite's own `unhex()`; the contract of databases asks for the rest."""

from __future__ import annotations

import pytest

from local.adapters.unhex import unhex


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("00fF", b"\x00\xff"),
        (b"00fF", b"\x00\xff"),
        (12, b"\x12"),
        ("", b""),
        (None, None),
        ("0", None),
        ("0g", None),
        ("00 ff", None),
        ("00\n", None),
    ],
)
def test_whole_pairs_of_digits_are_bytes(
    digits: str | bytes | float | None, expected: bytes | None
) -> None:
    """And anything else is NULL, as SQLite's documentation has it."""
    assert unhex(digits) == expected
