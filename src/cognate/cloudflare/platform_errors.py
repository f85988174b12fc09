"""Map error messages of Workers AI, Vectorize and D1 to Cognate's errors.

The platform reports errors as text only. The functions are pure, so the adapters of the local
platform use them too. Each function is total: every message becomes an error of Cognate.

Only the numbers of an allow-list become an error that blames the input (`EmbedderRejected`,
`VectorIndexRejected`). Every other message is a failure of the platform. Its jobs are tried again,
and no record fails because of it.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    ConstraintViolated,
    DatabaseError,
    EmbedderAccessDenied,
    EmbedderAllowanceUsedUp,
    EmbedderBusy,
    EmbedderError,
    EmbedderModelUnavailable,
    EmbedderRejected,
    EmbedderTimeout,
    MissingColumn,
    MissingTable,
    ValueTooLarge,
    VectorIndexError,
    VectorIndexRejected,
    VectorIndexThrottled,
    VectorIndexUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDER_ERRORS: Final[Mapping[int, type[EmbedderError]]] = MappingProxyType(
    {
        # The input: the allow-list.
        3006: EmbedderRejected,  # request too large
        5004: EmbedderRejected,  # invalid data
        5006: EmbedderRejected,  # input that fits none of the model's forms, as reports show it
        5021: EmbedderRejected,  # more tokens than the model's context window, as reports show it
        # Load.
        3007: EmbedderTimeout,
        3040: EmbedderBusy,  # out of capacity
        # The account's allowance.
        3036: EmbedderAllowanceUsedUp,  # as it is documented
        4006: EmbedderAllowanceUsedUp,  # as it reads
        # The model.
        3042: EmbedderModelUnavailable,  # invalid model id
        5007: EmbedderModelUnavailable,  # no such model
        # The account.
        3023: EmbedderAccessDenied,  # account blocked
        3041: EmbedderAccessDenied,  # not allowed to use the model
        5016: EmbedderAccessDenied,  # terms of the model not agreed to
        5018: EmbedderAccessDenied,  # not allowed to use the model
        5035: EmbedderAccessDenied,
    }
)
"""Error numbers of Workers AI to errors of Cognate. The internal errors 3043 and 3046 need none."""

VECTOR_INDEX_ERRORS: Final[Mapping[int, type[VectorIndexError]]] = MappingProxyType(
    {
        # The vector, its id or metadata, or the filter: the allow-list.
        40006: VectorIndexRejected,  # a query vector of another dimension
        40008: VectorIndexRejected,  # an id that is too long
        40012: VectorIndexRejected,  # a vector of another dimension
        40016: VectorIndexRejected,  # metadata that is too large
        40023: VectorIndexRejected,  # a vector, metadata or filter of another form
        # Load.
        40041: VectorIndexThrottled,  # too many requests
    }
)
"""Error codes of Vectorize to errors of Cognate. 40007 (too many ids or vectors in one call) is not
on the allow-list, because Cognate chooses the size of a call, not a record."""

_EMBEDDER_NUMBER: Final = re.compile(r"\s*(?:[A-Za-z]\w*:\s*)*([0-9]{4}):")
"""A message begins with its number, or with names of errors and then the number. A later number is
part of the sentence, which may quote an input."""
_VECTOR_INDEX_CODE: Final = re.compile(
    r"\s*(?:[A-Za-z]\w*:\s*)*([A-Z_]+)_ERROR \(code = ([0-9]{1,9})\)"
)
_BUSY: Final = re.compile(r"\b429\b|\bbusy\b|too many requests", re.IGNORECASE)

_BLAMELESS_OPERATIONS: Final = frozenset({"VECTOR_DELETE", "VECTOR_GET", "INDEX_GET"})
"""Calls that only send ids that Cognate made, so no input can be to blame. If a deletion counted as
a record's fault, it would fail for good and leave the vectors in the index."""

_CONSTRAINT: Final = re.compile(r": SQLITE_CONSTRAINT(?: \(extended: \w+\))?\s*$")
"""The end of the message of every broken constraint. A trigger's own text comes before it."""
_TOO_LARGE: Final = re.compile(r"string or blob too big")
"""The text of this error. A statement that is too long has the same number, but another text."""
_MISSING_TABLE: Final = re.compile(r"no such table: (?:main\.)?(\w+)")
_MISSING_COLUMN: Final = re.compile(r"(?:no such column: |has no column named )\"?([\w.]+)")


def embedder_error(message: str) -> EmbedderError:
    """Return the error that a message of Workers AI means."""
    found = _EMBEDDER_NUMBER.match(message)
    if found is None:
        return EmbedderBusy(message) if _BUSY.search(message) else EmbedderError(message)
    number = int(found[1])
    error = EMBEDDER_ERRORS.get(number, EmbedderError)(message)
    error.number = number
    return error


def vector_index_error(message: str) -> VectorIndexError:
    """Return the error that a message of Vectorize means. Without a code, it is an outage."""
    found = _VECTOR_INDEX_CODE.match(message)
    if found is None:
        throttled = _BUSY.search(message)
        return VectorIndexThrottled(message) if throttled else VectorIndexUnavailable(message)
    operation, number = found[1], int(found[2])
    kind = VECTOR_INDEX_ERRORS.get(number, VectorIndexError)
    if kind is VectorIndexRejected and operation in _BLAMELESS_OPERATIONS:
        kind = VectorIndexError
    error = kind(message)
    error.number = number
    return error


def database_error(message: str) -> DatabaseError:
    """Return the error that a message of D1 means."""
    if _CONSTRAINT.search(message):
        return ConstraintViolated(message)
    if _TOO_LARGE.search(message):
        return ValueTooLarge(message)
    if found := _MISSING_TABLE.search(message):
        return MissingTable(found[1])
    if found := _MISSING_COLUMN.search(message):
        return MissingColumn(found[1])
    return DatabaseError(message)
