"""The one form in which a column holds a time or a decimal number, so that SQL can compare it.

A datetime is in UTC with microseconds, so that its text sorts by time. A decimal number is written
out without an exponent and keeps its zeros; its text can be compared for equality once the zeros at
its end are left out, and has no order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

MAX_DECIMAL_CHARACTERS: Final = 100
"""Of a decimal number that is written out: an exponent can stand for a million zeros."""

_NO_FRACTION: Final = ".000000Z"


def utc_datetime(text: str) -> str:
    """A datetime in ISO 8601 as `2026-11-17T09:30:00.000000Z`; one without an offset is in UTC.

    Raises:
        ValueError: it is no datetime, or before year 1 or after year 9999 in UTC; the message
            continues the field's name.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a time in ISO 8601, such as 2026-11-17T09:30:00Z, in the years 1 to 9999"
        ) from None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def shown_datetime(text: str) -> str:
    """A datetime of a column as it is answered: whole seconds have no fraction."""
    return text.removesuffix(_NO_FRACTION) + "Z" if text.endswith(_NO_FRACTION) else text


def plain_date(text: str) -> str:
    """A date in ISO 8601 as `2026-11-17`.

    Raises:
        ValueError: it is none.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("must be a date in ISO 8601, such as 2026-11-17") from None


def plain_time(text: str) -> str:
    """A time of day in ISO 8601 as `09:30:00`, with the fraction and the offset that it has.

    Raises:
        ValueError: it is none.
    """
    try:
        return time.fromisoformat(text).isoformat().replace("+00:00", "Z")
    except ValueError:
        raise ValueError("must be a time of day in ISO 8601, such as 09:30:00") from None


def written_out(text: str) -> str:
    """A decimal number without an exponent: `1E+2` is `100`, and `1.50` stays as it is.

    Raises:
        ValueError: it is no finite number, or has more than 100 characters then.
    """
    number = _decimal(text)
    if abs(number.adjusted()) < MAX_DECIMAL_CHARACTERS:
        found = f"{number:f}" if number else f"{abs(number):f}"
        if len(found) <= MAX_DECIMAL_CHARACTERS:
            return found
    raise ValueError(f"must have at most {MAX_DECIMAL_CHARACTERS} characters when written out")


def without_end_zeros(text: str) -> str:
    """A decimal number as two equal ones are alike: `1.50` is `1.5`.

    Raises:
        ValueError: as `written_out`.
    """
    found = written_out(text)
    return found.rstrip("0").rstrip(".") if "." in found else found


def sql_without_end_zeros(column: str) -> str:
    """The SQL of `without_end_zeros` over a column that `written_out` has written."""
    return (
        f"CASE WHEN instr({column}, '.') > 0 THEN rtrim(rtrim({column}, '0'), '.') "
        f"ELSE CAST({column} AS TEXT) END"
    )


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number
