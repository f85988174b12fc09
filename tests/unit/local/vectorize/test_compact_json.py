"""Tests of `local.vectorize.compact_json`."""

from local.vectorize.compact_json import compact_json, compact_json_bytes


def test_it_writes_what_json_stringify_writes() -> None:
    """No spaces, no escapes of letters."""
    assert compact_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'


def test_it_counts_bytes_and_not_characters() -> None:
    """A two-byte letter counts twice."""
    assert compact_json_bytes("é") == 4
