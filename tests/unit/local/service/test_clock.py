"""Tests of `local.service.clock`."""

import time

from local.service.clock import ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told() -> None:
    """Two readings agree until a test advances it."""
    clock = ManualClock(100.0)
    assert (clock.now(), clock.now()) == (100.0, 100.0)
    clock.advance(2.5)
    assert clock.now() == 102.5


def test_the_system_clock_counts_seconds_since_1970() -> None:
    """It lies between two readings of the machine's own clock."""
    before = time.time()
    assert before <= SystemClock().now() <= time.time()
