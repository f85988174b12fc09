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
"""What a value raises that JSON cannot hold: a BigInt, a cycle, a depth beyond reason."""


class EmbeddingsQueue:
    """`ports.JobQueue` over a queue's producer binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Take the binding, unwrapped."""
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
    """The messages of a batch, unwrapped, each when it is asked for.

    A hundred of them may hold 10 MB of texts, so they do not all come over at once. A body that is
    no JSON at all, as other serializations allow, arrives as None: it is one malformed message,
    and no reason to lose its neighbours.
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
    """Acknowledge each message or ask for it again, as was decided."""
    for message in batch.messages:
        after = verdicts.get(message.id)
        if after is None:
            message.ack()
        else:
            message.retry(to_javascript({"delaySeconds": after}))
