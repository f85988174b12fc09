"""What every job queue promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cognate.errors import QueueError
from cognate.ports import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES
from tests.contract.polling import until
from tests.contract.raising import raised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.ports import JobQueue

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)

AGAIN: Final = "again"
"""A message with this key is asked for again when it is first delivered."""


def verdicts_of(deliveries: Sequence[Delivery]) -> RetryDelays:
    """What the consumer under test answers: acknowledge, or once more."""
    return {delivery.message_id: _pause(delivery) for delivery in deliveries}


def _pause(delivery: Delivery) -> int | None:
    wanted = isinstance(delivery.body, dict) and AGAIN in delivery.body
    return 0 if wanted and delivery.attempts == 1 else None


class QueueSuite(ABC):
    """The contract of `cognate.ports.JobQueue`, seen from both of its ends.

    Messages carry a mark of their test, so that others in the queue do not matter.
    """

    @abstractmethod
    def queue(self) -> JobQueue:
        """The queue under test."""

    @abstractmethod
    async def deliveries(self) -> Sequence[Delivery]:
        """All that a consumer, which answered by `verdicts_of`, has been given so far."""

    async def arrived(self, mark: str) -> list[Delivery]:
        """What was delivered of the messages with this mark."""
        return [
            delivery
            for delivery in await self.deliveries()
            if isinstance(delivery.body, dict) and delivery.body.get("mark") == mark
        ]

    async def sent(self, count: int) -> list[Delivery]:
        """Send so many messages and wait until each has arrived at least once."""
        mark = uuid4().hex
        await self.queue().send([{"mark": mark, "number": number} for number in range(count)])

        async def all_arrived() -> bool:
            return numbers(await self.arrived(mark)) == set(range(count))

        await until(all_arrived)
        return await self.arrived(mark)

    async def test_no_messages_are_sent_by_no_call(self) -> None:
        """An empty list is no error."""
        await self.queue().send([])

    async def test_one_message_arrives(self) -> None:
        """With an id and the time at which it was sent, and delivered for the first time."""
        deliveries = await self.sent(1)

        assert all(delivery.message_id for delivery in deliveries)
        assert all(delivery.sent_at > LONG_AGO for delivery in deliveries)
        assert min(delivery.attempts for delivery in deliveries) == 1

    async def test_a_hundred_messages_arrive(self) -> None:
        """As many as one call takes; each has an id of its own."""
        deliveries = await self.sent(100)

        assert len({delivery.message_id for delivery in deliveries}) >= 100

    async def test_more_messages_than_one_call_takes_arrive(self) -> None:
        """The adapter divides them."""
        assert numbers(await self.sent(250)) == set(range(250))

    async def test_a_body_arrives_as_it_was_sent(self) -> None:
        """All that JSON has, nulls and nesting included."""
        body: dict[str, Any] = {
            "mark": uuid4().hex,
            "null": None,
            "numbers": [0, -1, 1.5, 1e300, 2**53 - 1],
            "text": "naïve 🦉 \n\"'",
            "flags": [True, False],
            "deep": {"list": [None, {"empty": {}, "none": []}]},
        }
        await self.queue().send([body])

        async def has_arrived() -> bool:
            return bool(await self.arrived(body["mark"]))

        await until(has_arrived)
        [delivery, *_] = await self.arrived(body["mark"])
        assert delivery.body == body

    async def test_a_message_that_is_asked_for_again_comes_again(self) -> None:
        """With the same id and time, and its deliveries counted; its neighbour does not."""
        mark = uuid4().hex
        await self.queue().send(
            [{"mark": mark, "number": 0, AGAIN: True}, {"mark": mark, "number": 1}]
        )

        async def came_again() -> bool:
            return any(delivery.attempts > 1 for delivery in await self.arrived(mark))

        await until(came_again)
        deliveries = await self.arrived(mark)
        again = [delivery for delivery in deliveries if delivery.attempts > 1]
        assert numbers(again) == {0}
        ours = [item for item in deliveries if numbers([item]) == {0}]
        assert len({(item.message_id, item.sent_at) for item in ours}) == 1

    async def test_a_delayed_message_arrives(self) -> None:
        """After its delay."""
        mark = uuid4().hex
        await self.queue().send([{"mark": mark}], delay_seconds=1)

        async def has_arrived() -> bool:
            return bool(await self.arrived(mark))

        await until(has_arrived)

    async def test_a_delay_is_at_most_a_day(self) -> None:
        """A second more is refused, and so is a delay that ended before it began."""
        mark = uuid4().hex
        await self.queue().send([{"mark": mark}], delay_seconds=MAX_DELAY_SECONDS)

        for seconds in (MAX_DELAY_SECONDS + 1, -1):
            error = await raised(self.queue().send([{"mark": mark}], delay_seconds=seconds))

            assert type(error) is QueueError, seconds
        await self.sent(1)
        assert await self.arrived(mark) == []

    async def test_a_message_of_almost_the_limit_arrives(self) -> None:
        """A thousand bytes are left for what the platform adds."""
        mark = uuid4().hex
        await self.queue().send([{"mark": mark, "text": "x" * (MAX_MESSAGE_BYTES - 1000)}])

        async def has_arrived() -> bool:
            return bool(await self.arrived(mark))

        await until(has_arrived)

    async def test_a_message_over_the_limit_is_refused(self) -> None:
        """With all that were to be sent in one call with it."""
        mark = uuid4().hex
        large = {"mark": mark, "text": "x" * (MAX_MESSAGE_BYTES + 1)}

        assert type(await raised(self.queue().send([{"mark": mark}, large]))) is QueueError
        await self.sent(1)
        assert await self.arrived(mark) == []

    async def test_messages_that_are_too_large_together_are_refused(self) -> None:
        """Each is small enough, but not a hundred of them."""
        messages = [{"mark": "none", "text": "x" * 4000}] * 100

        assert type(await raised(self.queue().send(messages))) is QueueError

    async def test_what_is_no_json_is_refused(self) -> None:
        """A message that cannot be written down cannot be sent."""
        for value in (object(), {1, 2}, float("nan")):
            error = await raised(self.queue().send([{"mark": "none", "value": value}]))

            assert type(error) is QueueError


def numbers(deliveries: Sequence[Delivery]) -> set[int]:
    """The numbers that messages were sent with."""
    return {delivery.body["number"] for delivery in deliveries if isinstance(delivery.body, dict)}
