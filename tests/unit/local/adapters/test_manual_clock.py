"""Tests of `local.adapters.manual_clock`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from local.adapters.manual_clock import START, ManualClock


def test_it_stands_still_until_it_is_moved() -> None:
    """Two calls return the same time."""
    clock = ManualClock()
    assert clock.now() == clock.now() == START

    clock.advance(0.5)

    assert clock.now() == START + timedelta(milliseconds=500)


def test_another_zone_is_shown_in_utc() -> None:
    """It is the same moment in UTC, and the clock may go backwards."""
    clock = ManualClock()

    clock.set(datetime(2020, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))))

    assert clock.now() == datetime(2020, 1, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    """Such a time could be the local time of any place."""
    with pytest.raises(ValueError, match="tzinfo=UTC"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake


def test_the_vector_indexes_see_the_same_time() -> None:
    """The timestamp moves by the same number of seconds."""
    clock = ManualClock()
    before = clock.timestamp()

    clock.advance(90)

    assert clock.timestamp() - before == 90
