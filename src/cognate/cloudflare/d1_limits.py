"""Check limits of D1 that neither workerd nor SQLite enforces.

Every database adapter calls these checks, so a statement that D1 refuses in production is refused
everywhere.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from cognate.errors import DatabaseError, ValueTooLarge
from cognate.ports import MAX_RESULT_BYTES, MAX_STATEMENT_PARAMETERS, MAX_VALUE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Row, Statement

_MOST_BYTES: Final = 4
"""Most UTF-8 bytes of a character. A text shorter than a quarter of a limit needs no encoding."""


def check_statement(statement: Statement) -> None:
    """Refuse a statement with more than 100 parameters, or with one of over 2,000,000 bytes.

    Raises:
        DatabaseError: there are too many parameters.
        ValueTooLarge: one of them is too large.
    """
    if len(statement.parameters) > MAX_STATEMENT_PARAMETERS:
        raise DatabaseError(f"a statement binds at most {MAX_STATEMENT_PARAMETERS} parameters")
    for parameter in statement.parameters:
        if isinstance(parameter, str):
            _check_value(parameter)


def check_answer(answers: Sequence[Sequence[Row]], text: str) -> None:
    """Refuse an answer of more than 50 MB, or with a text of over 2,000,000 bytes.

    Args:
        answers: the rows of each statement.
        text: the same rows as JSON.

    Raises:
        DatabaseError: the answer is too large.
        ValueTooLarge: a text in it is too large.
    """
    if _exceeds(text, MAX_RESULT_BYTES):
        raise DatabaseError(f"a batch answers at most {MAX_RESULT_BYTES} bytes")
    if len(text) * _MOST_BYTES > MAX_VALUE_BYTES:
        for row in chain.from_iterable(answers):
            for value in row.values():
                if isinstance(value, str):
                    _check_value(value)


def _check_value(value: str) -> None:
    if _exceeds(value, MAX_VALUE_BYTES):
        raise ValueTooLarge(f"string or blob too big: a value has at most {MAX_VALUE_BYTES} bytes")


def _exceeds(text: str, limit: int) -> bool:
    if len(text) * _MOST_BYTES <= limit:
        return False
    return len(text) > limit or len(text.encode("utf-8", "replace")) > limit
