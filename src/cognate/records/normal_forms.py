"""Write times and decimal numbers in one form, so that SQL can compare them.

A datetime is in UTC with microseconds, so its text sorts by time. A decimal number has no exponent
and keeps its zeros. Its text can be compared for equality once the zeros at its end are removed,
but it has no order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Final

MAX_DECIMAL_CHARACTERS: Final = 100
"""Characters of a decimal number without its exponent, which can stand for a million zeros."""

_NO_FRACTION: Final = ".000000Z"


def utc_datetime(text: str) -> str:
    """A datetime in ISO 8601 as `2026-11-17T09:30:00.000000Z`; one without an offset is in UTC.

    Raises:
        ValueError: not a datetime, or not in the years 1 to 9999 in UTC. The message continues the
            field's name.
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
    """The datetime of a column as the API shows it: whole seconds have no fraction."""
    return text.removesuffix(_NO_FRACTION) + "Z" if text.endswith(_NO_FRACTION) else text


def plain_date(text: str) -> str:
    """A date in ISO 8601 as `2026-11-17`.

    Raises:
        ValueError: not a date.
    """
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("must be a date in ISO 8601, such as 2026-11-17") from None


def plain_time(text: str) -> str:
    """A time of day in ISO 8601 as `09:30:00`; it keeps its fraction and its offset.

    Raises:
        ValueError: not a time of day.
    """
    try:
        return time.fromisoformat(text).isoformat().replace("+00:00", "Z")
    except ValueError:
        raise ValueError("must be a time of day in ISO 8601, such as 09:30:00") from None


def plain_decimal(text: str) -> str:
    """A decimal number without an exponent: `1E+2` becomes `100`, and `1.50` stays as it is.

    Raises:
        ValueError: not a finite number, or more than 100 characters without the exponent.
    """
    number = _decimal(text)
    if abs(number.adjusted()) < MAX_DECIMAL_CHARACTERS:
        found = f"{number:f}" if number else f"{abs(number):f}"
        if len(found) <= MAX_DECIMAL_CHARACTERS:
            return found
    raise ValueError(f"must have at most {MAX_DECIMAL_CHARACTERS} characters when written out")


def without_end_zeros(text: str) -> str:
    """A decimal number as text that is equal for equal numbers: `1.50` becomes `1.5`.

    Raises:
        ValueError: see `plain_decimal`.
    """
    found = plain_decimal(text)
    return found.rstrip("0").rstrip(".") if "." in found else found


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    return number
