"""The queues' entry into the core: batches of jobs and backfill steps, and of dead letters."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cognate.backfill.walk import take_step
from cognate.embedding.counting import CountingDatabase
from cognate.embedding.dead_letters import record_dead_letters
from cognate.embedding.migrated import run_migrated
from cognate.embedding.waves import MAX_WAVE_CHARACTERS, grouped
from cognate.errors import DatabaseError
from cognate.events import emit
from cognate.jobs.messages import BackfillStep, parse
from cognate.jobs.retry import pause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.ports import Platform
    from cognate.schema import Cognate
    from cognate.schema.collections import Collections

DEAD_LETTER_SUFFIX: Final = "-dlq"
"""Ends the name of the dead-letter queue in `wrangler.toml`."""


async def consume(
    platform: Platform, app: Cognate, queue: str, deliveries: Iterable[Delivery]
) -> RetryDelays:
    """Handle one batch of the queue of this name.

    Args:
        platform: the ports.
        app: the schema.
        queue: its name.
        deliveries: of the batch. Messages that hold long texts are taken from it a few at a time.

    Returns:
        For each message, whether and when it must be delivered again.
    """
    counted = CountingDatabase(platform.database)
    platform = replace(platform, database=counted)
    handle = _record if queue.endswith(DEAD_LETTER_SUFFIX) else _run
    verdicts: RetryDelays = {}
    messages = 0
    for part in grouped(deliveries, attrgetter("characters"), MAX_WAVE_CHARACTERS):
        verdicts |= await handle(platform, app.collections, part)
        messages += len(part)
    if handle is _run:
        emit("queue.handled", messages=messages, databaseCalls=counted.calls)
    return verdicts


async def _record(
    platform: Platform, collections: Collections, deliveries: Sequence[Delivery]
) -> RetryDelays:
    """Record dead letters on their jobs."""
    try:
        await record_dead_letters(platform, collections, deliveries)
    except DatabaseError as error:
        emit("dead_letters.not_stored", messages=len(deliveries), error=error.code)
        return {item.message_id: pause(item.attempts, 0) for item in deliveries}
    return {item.message_id: None for item in deliveries}


async def _run(
    platform: Platform, collections: Collections, deliveries: Sequence[Delivery]
) -> RetryDelays:
    """Embed what the jobs of a batch ask for, then take the steps of backfills in it."""
    steps = {
        delivery.message_id: (delivery, message)
        for delivery in deliveries
        if isinstance(message := parse(delivery.body, collections), BackfillStep)
    }
    jobs = [delivery for delivery in deliveries if delivery.message_id not in steps]
    verdicts = await run_migrated(platform, collections, jobs) if jobs else {}
    for delivery, message in steps.values():
        verdicts[delivery.message_id] = await _take(platform, collections, delivery, message)
    return verdicts


async def _take(
    platform: Platform, collections: Collections, delivery: Delivery, message: BackfillStep
) -> int | None:
    try:
        await take_step(platform, collections, message)
    except DatabaseError as error:
        emit("backfill.step_failed", backfill=message.backfill_id, error=error.code)
        return pause(delivery.attempts, 0)
    return None
