"""Times as text that sorts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cognate.times import from_iso, to_iso


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 17, 9, 30, tzinfo=UTC), "2026-11-17T09:30:00.000Z"),
        (datetime(2026, 11, 17, 9, 30, 0, 999_999, tzinfo=UTC), "2026-11-17T09:30:00.999Z"),
        (
            datetime(2026, 11, 17, 0, 30, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-16T22:30:00.000Z",
        ),
    ],
)
def test_a_time_is_utc_with_milliseconds(moment: datetime, expected: str) -> None:
    """The text always has the same length, so it sorts by time."""
    assert to_iso(moment) == expected
    assert to_iso(from_iso(expected)) == expected
