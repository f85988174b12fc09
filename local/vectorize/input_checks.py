"""Check the arguments of Vectorize calls. Refusals have the sentences of the service.

All arguments are checked before anything is written. One bad vector rejects its whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import numpy as np

from local.failures import BindingError
from local.vectorize.limits import (
    DEFAULT_TOP_K,
    MAX_ID_BYTES,
    MAX_METADATA_BYTES,
    MAX_NAMESPACE_BYTES,
    MAX_TOP_K,
    MAX_TOP_K_WITH_CONTENT,
    MAX_VECTORS_PER_WRITE,
    Operation,
    compact_json,
    id_too_long,
    malformed_query,
    malformed_request,
    metadata_too_large,
    namespace_too_long,
    too_many_ids,
    too_many_vectors,
    top_k_too_large,
    wrong_query_dimensions,
    wrong_vector_dimensions,
)
from local.vectorize.metadata_filter import VectorFilter, parse_metadata_filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

ReturnMetadata = Literal["none", "indexed", "all"]

_ERROR: Final = "Error"
_UNKNOWN_LEVEL: Final = (
    'Invalid returnMetadata option. Expected: true, false, "none", "indexed" or "all"; got: '
)


@dataclass(frozen=True)
class GivenVector:
    """A checked vector of a caller."""

    id: str
    values: NDArray[np.float32]
    namespace: str | None
    metadata: Mapping[str, Any] | None


@dataclass(frozen=True)
class QueryOptions:
    """The checked options of a query, with Vectorize's defaults."""

    top_k: int
    return_values: bool
    return_metadata: ReturnMetadata
    namespace: str | None
    filter: VectorFilter | None


def parse_vectors(operation: Operation, value: object, dimensions: int) -> list[GivenVector]:
    """Parse a batch of 1 to 1,000 vectors, or raise the error that rejects all of it."""
    if not isinstance(value, list) or not value:
        _refuse(operation, "expected a non-empty array of vectors")
    if len(value) > MAX_VECTORS_PER_WRITE:
        raise too_many_vectors(operation, len(value))
    return [_vector(operation, item, dimensions) for item in value]


def parse_ids(operation: Operation, value: object, most: int) -> list[str]:
    """Parse at most `most` ids. Duplicates are removed, the order stays."""
    if not isinstance(value, list):
        _refuse(operation, "expected an array of ids")
    if len(value) > most:
        raise too_many_ids(operation, most, len(value))
    return list(dict.fromkeys(parse_id(operation, item) for item in value))


def parse_id(operation: Operation, value: object) -> str:
    """Parse a vector id: a string of 1 to 64 bytes."""
    if not isinstance(value, str) or not value:
        _refuse(operation, "id: expected a non-empty string")
    size = _utf8_bytes(operation, value)
    if size > MAX_ID_BYTES:
        raise id_too_long(operation, size)
    return value


def parse_query_vector(value: object, dimensions: int) -> NDArray[np.float32]:
    """Parse the vector of a query, `[dimensions]`."""
    values = _numbers(value)
    if values is None:
        _refuse(Operation.QUERY, "vector: expected an array of numbers")
    if len(values) != dimensions:
        raise wrong_query_dimensions(dimensions, len(values))
    return values


def parse_query_options(value: object) -> QueryOptions:
    """Parse the options of `query` and `queryById`. None means no options."""
    options = {} if value is None else value
    if not isinstance(options, Mapping):
        _refuse(Operation.QUERY, "options: expected an object")
    level = _return_metadata(options.get("returnMetadata"))
    return_values = options.get("returnValues")
    if return_values is not None and not isinstance(return_values, bool):
        _refuse(Operation.QUERY, "returnValues: expected a boolean")
    filter_value = options.get("filter")
    return QueryOptions(
        top_k=_top_k(options.get("topK"), with_content=return_values is True or level == "all"),
        return_values=return_values is True,
        return_metadata=level,
        namespace=_namespace(Operation.QUERY, options.get("namespace")),
        filter=None if filter_value is None else parse_metadata_filter(filter_value),
    )


def _return_metadata(level: object) -> ReturnMetadata:
    if level is None:
        return "none"
    if level is True:
        return "all"
    if level is False:
        # The runtime turns `true` into "all" but sends `false`, which the service refuses.
        _refuse(Operation.QUERY, "returnMetadata: expected value")
    if level == "none":
        return "none"
    if level == "indexed":
        return "indexed"
    if level == "all":
        return "all"
    raise BindingError(_ERROR, _UNKNOWN_LEVEL + str(level))


def _top_k(value: object, *, with_content: bool) -> int:
    if value is None:
        return DEFAULT_TOP_K
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        _refuse(Operation.QUERY, "topK: expected a positive integer")
    if value > (MAX_TOP_K_WITH_CONTENT if with_content else MAX_TOP_K):
        raise top_k_too_large(value, with_content=with_content)
    return value


def _vector(operation: Operation, item: object, dimensions: int) -> GivenVector:
    if not isinstance(item, Mapping):
        _refuse(operation, "expected a vector object")
    vector_id = parse_id(operation, item.get("id"))
    values = _numbers(item.get("values"))
    if values is None:
        _refuse(operation, f'values of id="{vector_id}": expected numbers')
    if len(values) != dimensions:
        raise wrong_vector_dimensions(operation, vector_id, dimensions, len(values))
    metadata = item.get("metadata")
    if metadata is not None:
        _check_metadata(operation, vector_id, metadata)
    return GivenVector(vector_id, values, _namespace(operation, item.get("namespace")), metadata)


def _check_metadata(operation: Operation, vector_id: str, metadata: object) -> None:
    if not isinstance(metadata, Mapping):
        _refuse(operation, f'metadata of id="{vector_id}": expected an object')
    _check_keys(operation, vector_id, metadata)
    size = _utf8_bytes(operation, compact_json(metadata))
    if size > MAX_METADATA_BYTES:
        raise metadata_too_large(operation, vector_id, size)


def _check_keys(operation: Operation, vector_id: str, metadata: Mapping[Any, Any]) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str) or not key or key.startswith("$") or "." in key or '"' in key:
            reason = "keys must not be empty, contain a dot or a double quote, or start with $"
            raise malformed_request(
                operation, f'metadata of id="{vector_id}": {reason}, got "{key}"'
            )
        if isinstance(value, Mapping):
            _check_keys(operation, vector_id, value)


def _namespace(operation: Operation, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        _refuse(operation, "namespace: expected a non-empty string")
    size = _utf8_bytes(operation, value)
    if size > MAX_NAMESPACE_BYTES:
        raise namespace_too_long(operation, size)
    return value


def _utf8_bytes(operation: Operation, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        _refuse(operation, "lone surrogate in a string")


def _numbers(value: object) -> NDArray[np.float32] | None:
    """A list of finite numbers as float32; None for anything else."""
    if not isinstance(value, list):
        return None
    if not set(map(type, value)) <= {int, float}:
        return None
    try:
        with np.errstate(over="ignore"):
            values = np.array(value, dtype=np.float64).astype(np.float32)
    except OverflowError:
        return None
    return values if np.isfinite(values).all() else None


def _refuse(operation: Operation, reason: str) -> NoReturn:
    if operation is Operation.QUERY:
        raise malformed_query(reason)
    raise malformed_request(operation, reason)
