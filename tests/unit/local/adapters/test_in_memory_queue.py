"""Tests of `local.adapters.in_memory_queue`. The tests play the consumer."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cognate.errors import QueueError
from local.adapters.in_memory_queue import InMemoryQueue
from local.adapters.manual_clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery, RetryDelays


async def filled(count: int = 3, *, delay_seconds: int = 0, max_retries: int = 2) -> InMemoryQueue:
    """A queue with messages that are numbered from 0."""
    queue = InMemoryQueue(ManualClock(), max_retries=max_retries)
    messages = [{"number": number} for number in range(count)]
    await queue.send(messages, delay_seconds=delay_seconds)
    return queue


def numbers(deliveries: Sequence[Delivery]) -> list[Any]:
    """The numbers in the messages."""
    return [delivery.body["number"] for delivery in deliveries if isinstance(delivery.body, dict)]


async def test_a_batch_has_at_most_a_hundred_messages() -> None:
    """The next batch has the rest, and no message is delivered twice."""
    queue = await filled(150)

    assert (len(queue.take()), len(queue.take()), len(queue.take())) == (100, 50, 0)


async def test_what_is_acknowledged_is_gone() -> None:
    """A retried message comes again after its delay; an acknowledged one does not."""
    clock = ManualClock()
    queue = InMemoryQueue(clock)
    await queue.send([{"number": 0}, {"number": 1}])
    first, _ = queue.take()

    queue.settle({first.message_id: 30})

    assert queue.waiting == [{"number": 0}]
    assert queue.take() == []
    clock.advance(30)
    [again] = queue.take()
    assert (again.message_id, again.attempts) == (first.message_id, 2)


async def test_a_consumer_that_dies_gets_its_batch_again() -> None:
    """The whole batch comes again, and each delivery is counted."""
    queue = await filled()
    queue.take()

    queue.crash()

    assert [delivery.attempts for delivery in queue.take()] == [2, 2, 2]


async def test_a_message_out_of_retries_is_a_dead_letter() -> None:
    """It has the same id, and the dead-letter queue counts its attempts from 1."""
    queue = await filled(1, max_retries=2)
    [first] = queue.take()
    for _ in range(2):
        queue.crash()
        queue.take()

    queue.crash()

    assert queue.take() == []
    [dead] = queue.dead_letters
    assert (dead.message_id, dead.attempts, dead.body) == (first.message_id, 1, {"number": 0})


async def test_draining_runs_a_consumer_until_nothing_is_due() -> None:
    """A message that the consumer retries without a delay comes in the same run."""
    queue = await filled(2)
    seen: list[tuple[Any, int]] = []

    async def consumer(batch: Sequence[Delivery]) -> RetryDelays:
        seen.extend(zip(numbers(batch), (item.attempts for item in batch), strict=True))
        return {item.message_id: 0 if item.attempts == 1 else None for item in batch}

    assert await queue.drain(consumer) == 4
    assert seen == [(0, 1), (1, 1), (0, 2), (1, 2)]


async def test_messages_can_be_duplicated_shuffled_and_lost() -> None:
    """A test can do to messages all that a real queue may do."""
    queue = await filled(20)
    queue.duplicate()
    queue.shuffle(Random(1))  # noqa: S311 - a test's order

    deliveries = queue.take()

    assert numbers(deliveries) != sorted(numbers(deliveries))
    assert sorted(numbers(deliveries)) == sorted([*range(20), *range(20)])
    assert len({delivery.message_id for delivery in deliveries}) == 20
    await queue.send([{"number": 1}])
    assert queue.drop() == 1
    assert queue.take() == []


async def test_a_delayed_message_is_waiting_but_not_delivered() -> None:
    """It is delivered after its delay, which is at most one day."""
    queue = await filled(1, delay_seconds=86_400)

    assert (queue.take(), queue.waiting) == ([], [{"number": 0}])
    with pytest.raises(QueueError, match="86400"):
        await filled(1, delay_seconds=86_401)


async def test_in_an_outage_nothing_is_taken() -> None:
    """Sending works again after the outage."""
    queue = await filled(0)
    queue.outage = QueueError("Queue sendBatch failed: Internal Server Error")

    with pytest.raises(QueueError, match="Internal Server Error"):
        await queue.send([{"number": 0}])

    queue.outage = None
    await queue.send([{"number": 1}])
    assert queue.waiting == [{"number": 1}]


async def test_what_is_delivered_is_not_what_was_sent_but_its_copy() -> None:
    """Changing a message after sending it does not change the delivery."""
    queue = await filled(0)
    message = {"number": 1}
    await queue.send([message])

    message["number"] = 2

    assert numbers(queue.take()) == [1]
