"""What every clock promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.contract.polling import until

if TYPE_CHECKING:
    from cognate.ports import Clock


class ClockSuite(ABC):
    """The contract of `cognate.ports.Clock`."""

    @abstractmethod
    def clock(self) -> Clock:
        """The clock under test."""

    @abstractmethod
    async def elapse(self) -> None:
        """Let some time pass: a clock may stand still while nothing happens."""

    async def test_it_shows_utc_and_says_so(self) -> None:
        """A time without its zone would be read as local somewhere."""
        now = self.clock().now()

        assert now.tzinfo is UTC
        assert now.utcoffset() == timedelta(0)

    async def test_it_shows_a_time_after_this_was_written(self) -> None:
        """A clock that starts in 1970 has not been set."""
        assert self.clock().now() > datetime(2026, 11, 1, tzinfo=UTC)

    async def test_it_moves_on_and_never_back(self) -> None:
        """The time that is shown rises."""
        clock = self.clock()
        start = clock.now()

        async def has_moved() -> bool:
            await self.elapse()
            now = clock.now()
            assert now >= start
            return now > start

        await until(has_moved)
