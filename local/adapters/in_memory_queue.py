"""A queue in memory, with the limits of Cloudflare Queues and all that a queue may do to messages.

Cloudflare delivers at least once and in no order. So a test can deliver messages twice, late,
shuffled or never, and can let the consumer die in the middle of a batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import QueueError
from cognate.jobs.messages import Delivery
from cognate.ports import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_SEND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime
    from random import Random

    from cognate.jobs.messages import RetryDelays
    from cognate.ports import Clock

    Consumer = Callable[[Sequence[Delivery]], Awaitable[RetryDelays]]
    """Handles one batch and decides about each message: what `cognate.consumer.consume` does."""

MAX_SEND_BYTES: Final = 256_000
"""Bytes of all bodies of one `sendBatch`. Source: Cloudflare's limits of queues."""
MAX_BATCH: Final = 100
"""Messages in a batch: `max_batch_size` in wrangler.toml, and the limit of Cloudflare."""
MAX_RETRIES: Final = 20
"""Deliveries after the first one, as `max_retries` in wrangler.toml."""


@dataclass(frozen=True)
class _Message:
    id: str
    body: str
    due: datetime
    sent_at: datetime
    attempts: int = 0

    def delivered(self) -> Delivery:
        body = json.loads(self.body)
        return Delivery(self.id, body, self.attempts, len(self.body), self.sent_at)


class InMemoryQueue:
    """`cognate.ports.JobQueue`, with methods for a test that plays the consumer.

    Attributes:
        outage: an error that `send` raises while it is set.
        dead_letters: messages out of retries, as the dead-letter queue delivers them first.
    """

    def __init__(
        self, clock: Clock, name: str = "cognate-embeddings", *, max_retries: int = MAX_RETRIES
    ) -> None:
        """Make an empty queue. `clock` measures the delays."""
        self.name = name
        self.outage: QueueError | None = None
        self.dead_letters: list[Delivery] = []
        self._clock = clock
        self._max_retries = max_retries
        self._waiting: list[_Message] = []
        self._taken: list[_Message] = []
        self._numbers = count(1)

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """See `cognate.ports.JobQueue.send`."""
        if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
            raise QueueError(f"a delay is at most {MAX_DELAY_SECONDS} seconds, not {delay_seconds}")
        for start in range(0, len(messages), MAX_MESSAGES_PER_SEND):
            self._send(messages[start : start + MAX_MESSAGES_PER_SEND], delay_seconds)

    @property
    def waiting(self) -> list[Any]:
        """The bodies of all undelivered messages, delayed ones included."""
        return [json.loads(message.body) for message in self._waiting]

    def take(self, most: int = MAX_BATCH) -> list[Delivery]:
        """Deliver the next batch of due messages, which may be empty.

        The messages are in flight until `settle` or `crash`.
        """
        now = self._clock.now()
        due = [message for message in self._waiting if message.due <= now][:most]
        for message in due:
            self._waiting.remove(message)
        taken = [replace(message, attempts=message.attempts + 1) for message in due]
        self._taken += taken
        return [message.delivered() for message in taken]

    def settle(self, verdicts: RetryDelays) -> None:
        """Acknowledge or retry the messages in flight, as the consumer decided."""
        for message in self._take_back():
            after = verdicts.get(message.id)
            if after is not None:
                self._retry(message, after)

    def crash(self) -> None:
        """Deliver every message in flight again, as if the consumer had died."""
        for message in self._take_back():
            self._retry(message, 0)

    async def drain(self, consumer: Consumer) -> int:
        """Deliver batches until no message is due. Returns the number of deliveries."""
        delivered = 0
        while batch := self.take():
            delivered += len(batch)
            self.settle(await consumer(batch))
        return delivered

    def duplicate(self) -> None:
        """Deliver every waiting message twice, under the same id."""
        self._waiting += self._waiting

    def shuffle(self, order: Random) -> None:
        """Put the waiting messages in another order."""
        order.shuffle(self._waiting)

    def drop(self) -> int:
        """Lose every waiting message. Returns how many there were."""
        lost = len(self._waiting)
        self._waiting.clear()
        return lost

    def _send(self, messages: Sequence[Mapping[str, Any]], delay_seconds: int) -> None:
        if self.outage is not None:
            raise self.outage
        bodies = [_encoded(message) for message in messages]
        sizes = [len(body.encode()) for body in bodies]
        if max(sizes) > MAX_MESSAGE_BYTES:
            raise QueueError(f"a message of {max(sizes)} bytes exceeds {MAX_MESSAGE_BYTES}")
        if sum(sizes) > MAX_SEND_BYTES:
            raise QueueError(f"a batch of {sum(sizes)} bytes exceeds {MAX_SEND_BYTES}")
        now = self._clock.now()
        due = now + timedelta(seconds=delay_seconds)
        self._waiting += [
            _Message(f"message-{next(self._numbers)}", body, due, now) for body in bodies
        ]

    def _take_back(self) -> list[_Message]:
        taken, self._taken = self._taken, []
        return taken

    def _retry(self, message: _Message, after_seconds: int) -> None:
        if message.attempts > self._max_retries:
            self.dead_letters.append(replace(message, attempts=1).delivered())
            return
        due = self._clock.now() + timedelta(seconds=after_seconds)
        self._waiting.append(replace(message, due=due))


def _encoded(message: Mapping[str, Any]) -> str:
    """A body as `JSON.stringify` writes it."""
    try:
        return json.dumps(dict(message), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise QueueError(f"a message is no JSON: {error}") from error
