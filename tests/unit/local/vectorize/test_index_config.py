"""Tests of `local.vectorize.index_config`."""

from pathlib import Path
from typing import Any

import pytest

from local.failures import StartError
from local.vectorize.index_config import IndexConfig, parse_index_config, read_index_config


def entry(**changes: object) -> dict[str, Any]:
    """A valid entry with changes."""
    return {"binding": "VECTORIZE", "name": "cognate-768", "dimensions": 768, **changes}


def test_an_entry_becomes_a_config() -> None:
    """All keys arrive. The metric is always cosine."""
    given = entry(metric="cosine", metadataIndexes={"organizationId": "string", "a.b": "number"})
    assert parse_index_config([given]) == [
        IndexConfig("VECTORIZE", "cognate-768", 768, {"organizationId": "string", "a.b": "number"})
    ]


def test_1536_dimensions_pass_and_1537_do_not() -> None:
    """This is Vectorize's limit."""
    assert parse_index_config([entry(dimensions=1536)])[0].dimensions == 1536
    with pytest.raises(StartError, match=r"0\.dimensions"):
        parse_index_config([entry(dimensions=1537)])


def test_ten_metadata_indexes_pass_and_eleven_do_not() -> None:
    """This is Vectorize's limit."""
    ten = {f"key{number}": "string" for number in range(10)}
    assert len(parse_index_config([entry(metadataIndexes=ten)])[0].metadata_indexes) == 10
    with pytest.raises(StartError, match=r"0\.metadataIndexes"):
        parse_index_config([entry(metadataIndexes={**ten, "key10": "string"})])


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "euclidean"},
        {"metadataIndexes": {"a": "date"}},
        {"metadataIndexes": {'a"b': "string"}},
        {"metadataIndexes": {"a..b": "string"}},
        {"unknown": 1},
        {"binding": ""},
    ],
)
def test_an_invalid_entry_is_refused(changes: dict[str, Any]) -> None:
    """The error names the place of the mistake."""
    with pytest.raises(StartError, match="is not valid at 0"):
        parse_index_config([entry(**changes)])


@pytest.mark.parametrize(("what", "value"), [("binding", "VECTORIZE"), ("name", "cognate-768")])
def test_two_indexes_of_one_name_are_refused(what: str, value: str) -> None:
    """They would share their vectors, or one would hide the other."""
    other = entry(**{"binding": "OTHER", "name": "other", what: value})
    with pytest.raises(StartError, match=f"names one {what} twice"):
        parse_index_config([entry(), other])


def test_a_file_is_read(tmp_path: Path) -> None:
    """It is JSON in UTF-8."""
    path = tmp_path / "indexes.json"
    path.write_text('[{"binding": "V", "name": "n", "dimensions": 3}]', encoding="utf-8")
    assert read_index_config(path) == [IndexConfig("V", "n", 3)]


@pytest.mark.parametrize(("content", "reason"), [("{", "is not JSON"), (None, "cannot be read")])
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    """The error is one sentence without a traceback."""
    path = tmp_path / "indexes.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(StartError, match=rf"indexes\.json {reason}"):
        read_index_config(path)
