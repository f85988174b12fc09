"""Tests of `local.vectorize.limits`: the sentences that users have reported."""

import pytest

from local.failures import BindingError
from local.vectorize.limits import (
    Operation,
    compact_json,
    compact_json_bytes,
    id_too_long,
    malformed_query,
    malformed_request,
    metadata_too_large,
    too_many_ids,
    top_k_too_large,
    wrong_query_dimensions,
    wrong_vector_dimensions,
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            wrong_query_dimensions(768, 0),
            (
                "VECTOR_QUERY_ERROR (code = 40006): invalid query vector, expected 768 dimensions, "
                "and got 0 dimensions"
            ),
        ),
        (
            too_many_ids(Operation.DELETE, 100, 534),
            (
                "VECTOR_DELETE_ERROR (code = 40007): too many ids in payload; max id count is 100, "
                "got 534"
            ),
        ),
        (
            id_too_long(Operation.UPSERT, 74),
            "VECTOR_UPSERT_ERROR (code = 40008): id too long; max is 64 bytes, got 74 bytes",
        ),
        (
            wrong_vector_dimensions(Operation.INSERT, "test.txt-chunk-0", 768, 1024),
            (
                'VECTOR_INSERT_ERROR (code = 40012): invalid vector for id="test.txt-chunk-0", '
                "expected 768 dimensions, and got 1024 dimensions"
            ),
        ),
        (
            metadata_too_large(Operation.UPSERT, "lesson", 21326),
            (
                'VECTOR_UPSERT_ERROR (code = 40016): oversized metadata for vector id="lesson"; '
                "the compact JSON representation of the metadata must not exceed 10240 bytes, "
                "got 21326 bytes"
            ),
        ),
        (
            malformed_request(Operation.UPSERT, "why"),
            "VECTOR_UPSERT_ERROR (code = 40023): failed to parse upsert vectors request: why",
        ),
        (
            top_k_too_large(100, with_content=True),
            (
                "VECTOR_QUERY_ERROR (code = 40025): with returnValues=true or returnMetadata=all, "
                "max top K is 50, but got 100; for a top K up to 100, retry with "
                "returnValues=false and returnMetadata=indexed"
            ),
        ),
        (
            malformed_query("returnMetadata: expected value"),
            (
                "VECTOR_QUERY_ERROR (code = 40026): Failed to parse the request body as JSON: "
                "returnMetadata: expected value"
            ),
        ),
    ],
)
def test_an_error_reads_as_on_cloudflare(error: BindingError, message: str) -> None:
    """The runtime throws a plain Error with code and sentence in its message."""
    assert (error.name, error.message) == ("Error", message)


def test_it_writes_what_json_stringify_writes() -> None:
    """There are no spaces and no escaped letters."""
    assert compact_json({"a": [1, "é"]}) == '{"a":[1,"é"]}'


def test_it_counts_bytes_and_not_characters() -> None:
    """A letter of two bytes counts as two."""
    assert compact_json_bytes("é") == 4
