"""Which of our errors a message of Workers AI, Vectorize or D1 stands for: all they give is text.

Pure, so that the adapters over the bindings and those over the local platform map alike. Each
function is total: any message at all becomes an error of ours.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    DatabaseError,
    EmbedderBusy,
    EmbedderError,
    EmbedderRejected,
    EmbedderTimeout,
    MissingColumn,
    MissingTable,
    VectorIndexError,
    VectorIndexRejected,
    VectorIndexUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDER_ERRORS: Final[Mapping[int, type[EmbedderError]]] = MappingProxyType(
    {
        3006: EmbedderRejected,  # request too large
        3007: EmbedderTimeout,
        3036: EmbedderBusy,  # daily allowance used up
        3040: EmbedderBusy,  # out of capacity
        3042: EmbedderRejected,  # no such model
        5004: EmbedderRejected,  # invalid input
        5006: EmbedderRejected,  # input that fits none of the model's forms, as reports show it
        5007: EmbedderRejected,  # no such model
        5021: EmbedderRejected,  # more tokens than the model's context window
    }
)
"""Workers AI's error numbers, which open its messages."""

BROKEN_RULES: Final = range(40000, 50000)
"""Vectorize's codes of calls that break one of its rules; all others are its own failures."""

_EMBEDDER_NUMBER: Final = re.compile(r"\b(\d{4}):")
_VECTOR_INDEX_CODE: Final = re.compile(r"code = (\d+)")
_MISSING_TABLE: Final = re.compile(r"no such table: (?:main\.)?(\w+)")
_MISSING_COLUMN: Final = re.compile(r"(?:no such column: |has no column named )\"?([\w.]+)")


def embedder_error(message: str) -> EmbedderError:
    """The error that a message of Workers AI stands for."""
    found = _EMBEDDER_NUMBER.search(message)
    kind = EMBEDDER_ERRORS.get(int(found[1]), EmbedderError) if found else EmbedderError
    if kind is EmbedderError and ("429" in message or "busy" in message.lower()):
        kind = EmbedderBusy
    return kind(message)


def vector_index_error(message: str) -> VectorIndexError:
    """The error that a message of Vectorize stands for; one without a code never got there."""
    found = _VECTOR_INDEX_CODE.search(message)
    if found is None:
        return VectorIndexUnavailable(message)
    broken = int(found[1]) in BROKEN_RULES
    return VectorIndexRejected(message) if broken else VectorIndexError(message)


def database_error(message: str) -> DatabaseError:
    """The error that a message of SQLite or D1 stands for."""
    if found := _MISSING_TABLE.search(message):
        return MissingTable(found[1])
    if found := _MISSING_COLUMN.search(message):
        return MissingColumn(found[1])
    return DatabaseError(message)
