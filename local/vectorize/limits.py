"""The limits of Vectorize, and its errors.

The limits are from Cloudflare's page "Vectorize limits" and its client reference, November 2026,
unless a line says otherwise. The runtime writes an error as
`<OPERATION>_ERROR (code = <number>): <sentence>`. Sentences marked *seen* are word for word from
reports of users. No report confirms the others: their sentence is ours, and their number is that of
the nearest error that was seen.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Final

from local.failures import BindingError

MAX_DIMENSIONS: Final = 1536
"""Components of a vector."""
MAX_ID_BYTES: Final = 64
"""Length of a vector's id, bytes of UTF-8."""
MAX_NAMESPACE_BYTES: Final = 64
"""Length of a namespace's name, bytes of UTF-8."""
MAX_NAMESPACES: Final = 50_000
"""Namespaces in an index (paid plan)."""
MAX_VECTORS: Final = 20_000_000
"""Vectors in an index."""
MAX_METADATA_BYTES: Final = 10_240
"""Metadata of a vector, bytes of compact JSON."""
MAX_METADATA_INDEXES: Final = 10
"""Metadata indexes of an index."""
MAX_INDEXED_BYTES: Final = 64
"""A metadata index has at most this many leading bytes of a string, cut between characters."""
MAX_FILTER_BYTES: Final = 2047
"""A filter as compact JSON, bytes: "less than 2048"."""
MAX_FILTER_KEY: Final = 512
"""Length of a filter's key, characters."""
MAX_VECTORS_PER_WRITE: Final = 1000
"""Vectors in one insert or upsert from a Worker."""
MAX_IDS_PER_GET: Final = 20
"""Ids in one getByIds (seen; not on the page)."""
MAX_IDS_PER_DELETE: Final = 100
"""Ids in one deleteByIds (seen; not on the page)."""
DEFAULT_TOP_K: Final = 5
"""Matches of a query without `topK`."""
MAX_TOP_K: Final = 100
"""Matches of a query without values and without all metadata."""
MAX_TOP_K_WITH_CONTENT: Final = 50
"""Matches of a query with values or with all metadata."""


class Operation(Enum):
    """The runtime's name of an operation: the first word of its errors."""

    DESCRIBE = "INDEX_GET"
    QUERY = "VECTOR_QUERY"
    INSERT = "VECTOR_INSERT"
    UPSERT = "VECTOR_UPSERT"
    GET = "VECTOR_GET"
    DELETE = "VECTOR_DELETE"


def compact_json(value: object) -> str:
    """Write JSON as `JSON.stringify` does: no spaces, and non-ASCII characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def compact_json_bytes(value: object) -> int:
    """The length of `compact_json(value)` in bytes of UTF-8. Vectorize counts its limits so."""
    return len(compact_json(value).encode("utf-8", "surrogatepass"))


def vectorize_error(operation: Operation, code: int, sentence: str) -> BindingError:
    """The error with which a Vectorize call rejects: a plain JavaScript `Error`."""
    return BindingError("Error", f"{operation.value}_ERROR (code = {code}): {sentence}")


def wrong_query_dimensions(expected: int, got: int) -> BindingError:
    """40006, seen."""
    sentence = f"invalid query vector, expected {expected} dimensions, and got {got} dimensions"
    return vectorize_error(Operation.QUERY, 40006, sentence)


def too_many_ids(operation: Operation, most: int, got: int) -> BindingError:
    """40007, seen for getByIds and deleteByIds."""
    sentence = f"too many ids in payload; max id count is {most}, got {got}"
    return vectorize_error(operation, 40007, sentence)


def too_many_vectors(operation: Operation, got: int) -> BindingError:
    """40007, not confirmed: modelled on the error for ids."""
    sentence = (
        f"too many vectors in payload; max vector count is {MAX_VECTORS_PER_WRITE}, got {got}"
    )
    return vectorize_error(operation, 40007, sentence)


def id_too_long(operation: Operation, got: int) -> BindingError:
    """40008, seen."""
    sentence = f"id too long; max is {MAX_ID_BYTES} bytes, got {got} bytes"
    return vectorize_error(operation, 40008, sentence)


def namespace_too_long(operation: Operation, got: int) -> BindingError:
    """40008, not confirmed: modelled on the error for ids."""
    sentence = f"namespace too long; max is {MAX_NAMESPACE_BYTES} bytes, got {got} bytes"
    return vectorize_error(operation, 40008, sentence)


def wrong_vector_dimensions(
    operation: Operation, vector_id: str, expected: int, got: int
) -> BindingError:
    """40012, seen."""
    sentence = (
        f'invalid vector for id="{vector_id}", '
        f"expected {expected} dimensions, and got {got} dimensions"
    )
    return vectorize_error(operation, 40012, sentence)


def metadata_too_large(operation: Operation, vector_id: str, got: int) -> BindingError:
    """40016, seen."""
    sentence = (
        f'oversized metadata for vector id="{vector_id}"; the compact JSON representation of the '
        f"metadata must not exceed {MAX_METADATA_BYTES} bytes, got {got} bytes"
    )
    return vectorize_error(operation, 40016, sentence)


def index_full(operation: Operation, what: str, most: int) -> BindingError:
    """Not confirmed. The number is ours; it blames no vector."""
    return vectorize_error(operation, 40000, f"too many {what} in index; max is {most}")


def malformed_request(operation: Operation, reason: str) -> BindingError:
    """40023, seen up to the colon. The reason after it is ours."""
    verb = {
        Operation.INSERT: "insert vectors",
        Operation.UPSERT: "upsert vectors",
        Operation.GET: "get vectors",
        Operation.DELETE: "delete vectors",
    }[operation]
    return vectorize_error(operation, 40023, f"failed to parse {verb} request: {reason}")


def top_k_too_large(got: int, *, with_content: bool) -> BindingError:
    """40025, seen for both."""
    if with_content:
        sentence = (
            "with returnValues=true or returnMetadata=all, max top K is "
            f"{MAX_TOP_K_WITH_CONTENT}, but got {got}; for a top K up to {MAX_TOP_K}, "
            "retry with returnValues=false and returnMetadata=indexed"
        )
    else:
        sentence = f"max top K is {MAX_TOP_K}, but got {got}"
    return vectorize_error(Operation.QUERY, 40025, sentence)


def malformed_query(reason: str) -> BindingError:
    """40026, seen for `returnMetadata: false` ("returnMetadata: expected value")."""
    sentence = f"Failed to parse the request body as JSON: {reason}"
    return vectorize_error(Operation.QUERY, 40026, sentence)
