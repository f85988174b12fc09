"""Cloudflare Queues: send messages, read the batches that arrive, and settle them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from js import JSON
from pyodide.ffi import JsException

from cognate.cloudflare.conversion import from_json, to_javascript
from cognate.errors import QueueError
from cognate.jobs.messages import Delivery
from cognate.ports import MAX_MESSAGES_PER_SEND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.jobs.messages import RetryDelays


NOT_JSON: Final = (JsException, RecursionError, ValueError, TypeError)
"""Errors of a value that JSON cannot hold: a BigInt, a cycle, or too many levels."""


class EmbeddingsQueue:
    """`ports.JobQueue` over a queue's producer binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Wrap a binding."""
        self._binding = binding

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """See `ports.JobQueue.send`."""
        for start in range(0, len(messages), MAX_MESSAGES_PER_SEND):
            group = [
                {"body": dict(message), "contentType": "json"}
                for message in messages[start : start + MAX_MESSAGES_PER_SEND]
            ]
            try:
                await self._binding.sendBatch(
                    from_json(json.dumps(group, allow_nan=False)),
                    to_javascript({"delaySeconds": delay_seconds}),
                )
            except JsException as error:
                raise QueueError(error.message) from error
            except (TypeError, ValueError) as error:
                raise QueueError(f"a message is no JSON: {error}") from error


def deliveries_of(batch: JavaScriptObject) -> Iterator[Delivery]:
    """Read the messages of a batch, each one when it is asked for.

    A hundred messages may hold 10 MB of texts, so Python does not hold all of them at once. A body
    that JSON cannot hold is read as None. It makes one malformed message, and the others are
    handled as usual.
    """
    for message in batch.messages:
        try:
            text = JSON.stringify(message.body)
            body, characters = json.loads(text), len(text)
        except NOT_JSON:
            body, characters = None, 0
        sent_at = datetime.fromtimestamp(message.timestamp.getTime() / 1000, UTC)
        yield Delivery(message.id, body, message.attempts, characters, sent_at)


def settle(batch: JavaScriptObject, verdicts: RetryDelays) -> None:
    """Acknowledge each message, or ask for another delivery of it."""
    for message in batch.messages:
        after = verdicts.get(message.id)
        if after is None:
            message.ack()
        else:
            message.retry(to_javascript({"delaySeconds": after}))
