"""A clock that a test sets and moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""The time of a new clock."""


class ManualClock:
    """`cognate.ports.Clock` that stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        """Start at `now`."""
        self.set(now)

    def now(self) -> datetime:
        """See `cognate.ports.Clock.now`."""
        return self._now

    def set(self, now: datetime) -> None:
        """Set the time, which may be earlier, as a corrected clock is.

        Raises:
            ValueError: `now` has no time zone.
        """
        if now.tzinfo is None:
            message = f"{now} has no time zone: write datetime(..., tzinfo=UTC)"
            raise ValueError(message)
        self._now = now.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += timedelta(seconds=seconds)

    def timestamp(self) -> float:
        """The time in seconds since 1970 (UTC), as the local Vectorize takes it."""
        return self._now.timestamp()
