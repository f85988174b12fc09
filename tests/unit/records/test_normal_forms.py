"""The normal forms of times and decimal numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.ports import Statement
from cognate.records.normal_forms import (
    MAX_DECIMAL_CHARACTERS,
    plain_date,
    plain_decimal,
    plain_time,
    shown_datetime,
    utc_datetime,
    without_end_zeros,
)
from cognate.records.table_sql import without_end_zeros_expression
from local.adapters.sqlite_database import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_OFFSET = timedelta(hours=23, minutes=59)
# In whole seconds, as ISO 8601 has no shorter ones: Python reads an offset of microseconds as UTC.
OFFSETS = st.timedeltas(-LARGEST_OFFSET, LARGEST_OFFSET).map(
    lambda offset: timedelta(seconds=offset // timedelta(seconds=1))
)
MOMENTS = st.builds(
    datetime.combine,
    st.dates(date(1, 1, 2), date(9999, 12, 30)),
    st.times(timezones=OFFSETS.map(timezone)),
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)


@given(one=MOMENTS, other=MOMENTS)
def test_texts_of_datetimes_sort_by_time(one: datetime, other: datetime) -> None:
    """Two texts are equal only for the same moment."""
    texts = utc_datetime(one.isoformat()), utc_datetime(other.isoformat())

    in_utc = one.astimezone(UTC), other.astimezone(UTC)
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (
        in_utc[0] < in_utc[1],
        in_utc[0] == in_utc[1],
    )
    assert datetime.fromisoformat(shown_datetime(texts[0])) == in_utc[0]


@given(one=NUMBERS, other=NUMBERS)
async def test_texts_of_equal_decimal_numbers_are_equal(one: Decimal, other: Decimal) -> None:
    """Without the zeros at the end, equal numbers have equal texts in Python and in SQL."""
    stored = [plain_decimal(str(number)) for number in (one, other)]

    assert [Decimal(text) for text in stored] == [one, other]
    plain = [without_end_zeros(text) for text in stored]
    assert (plain[0] == plain[1]) is (one == other)
    one_in_sql, other_in_sql = map(without_end_zeros_expression, ("?1", "?2"))
    sql = f"SELECT {one_in_sql} AS one, {other_in_sql} AS other"
    [[row]] = await SqliteDatabase().batch([Statement(sql, tuple(stored))])
    assert plain == [row["one"], row["other"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1E+2", "100"),
        ("1.50", "1.50"),
        ("-0.00", "0.00"),
        ("1e-3", "0.001"),
        ("9" * MAX_DECIMAL_CHARACTERS, "9" * MAX_DECIMAL_CHARACTERS),
    ],
)
def test_a_decimal_number_is_written_out(text: str, expected: str) -> None:
    """A decimal number keeps its zeros and loses its exponent."""
    assert expected == plain_decimal(text)


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        (utc_datetime, "yesterday", "a time in ISO 8601"),
        (utc_datetime, "0001-01-01T00:00:00+00:01", "years 1 to 9999"),
        (utc_datetime, "9999-12-31T23:59:00-00:01", "years 1 to 9999"),
        (plain_date, "today", "a date in ISO 8601"),
        (plain_time, "noon", "a time of day in ISO 8601"),
        (plain_decimal, "much", "a decimal number"),
        (plain_decimal, "NaN", "a finite number"),
        (plain_decimal, "-Infinity", "a finite number"),
        (plain_decimal, "1E+1000000", "at most 100 characters"),
        (plain_decimal, "1E-1000000", "at most 100 characters"),
        (plain_decimal, "9" * (MAX_DECIMAL_CHARACTERS + 1), "at most 100 characters"),
        (plain_decimal, "0." + "1" * (MAX_DECIMAL_CHARACTERS - 1), "at most 100 characters"),
    ],
)
def test_what_has_no_form_is_refused(form: Callable[[str], str], text: str, message: str) -> None:
    """The message continues the field's name."""
    with pytest.raises(ValueError, match=message):
        form(text)


def test_dates_and_times_of_day_have_one_form() -> None:
    """All spellings of ISO 8601 have the same normal form."""
    assert ("2026-11-17", "2026-11-17") == (plain_date("2026-11-17"), plain_date("20261117"))
    assert ("09:30:00", "09:30:00Z") == (plain_time("09:30"), plain_time("09:30+00:00"))
