"""Handle a batch of messages of the embeddings queue or of its dead-letter queue."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cognate.backfill.walk import take_step
from cognate.embedding.batch import run_jobs
from cognate.embedding.platform_calls import MAX_WAVE_CHARACTERS, grouped
from cognate.embedding.revisions import doubt_running_statement
from cognate.errors import DatabaseError
from cognate.events import emit
from cognate.ids import derived_id
from cognate.jobs.messages import JOB_PREFIX, BackfillStep, JobReference, Received, parse
from cognate.jobs.retry import pause
from cognate.jobs.run import fail_statements
from cognate.texts.arrivals import arrival_statements, late_arrival_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.ports import Database, Platform, Row, Statement
    from cognate.schema import Cognate
    from cognate.schema.collections import Collections

DEAD_LETTER_SUFFIX: Final = "-dlq"
"""The end of the dead-letter queue's name in `wrangler.toml`."""


async def consume(
    platform: Platform, app: Cognate, queue: str, deliveries: Iterable[Delivery]
) -> RetryDelays:
    """Handle one batch of a queue.

    Args:
        platform: the ports.
        app: the schema.
        queue: the name of the queue.
        deliveries: the messages. If their texts are long, they are read and parsed a few at a time.

    Returns:
        For each message, when it must be delivered again, or None.
    """
    counted = CountingDatabase(platform.database)
    platform = replace(platform, database=counted)
    is_dead = queue.endswith(DEAD_LETTER_SUFFIX)
    delays: RetryDelays = {}
    messages = 0
    for part in grouped(deliveries, attrgetter("characters"), MAX_WAVE_CHARACTERS):
        received = [receive(delivery, app.collections) for delivery in part]
        delays |= await (
            _record(platform, received) if is_dead else _run(platform, app.collections, received)
        )
        messages += len(part)
    if not is_dead:
        emit("queue.handled", messages=messages, databaseCalls=counted.calls)
    return delays


def receive(delivery: Delivery, collections: Collections) -> Received:
    """Parse one delivered message."""
    message = parse(delivery.body, collections)
    job_id = (
        message.job_id
        if isinstance(message, JobReference)
        else derived_id(JOB_PREFIX, delivery.message_id, delivery.sent_at)
    )
    return Received(delivery.message_id, delivery.attempts, job_id, message)


class CountingDatabase:
    """A `ports.Database` that counts the calls of another one.

    Attributes:
        calls: number of calls so far. A batch of statements is one call.
    """

    def __init__(self, database: Database) -> None:
        """Wrap a database."""
        self._database = database
        self.calls = 0

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.calls += 1
        return await self._database.batch(statements)


async def _record(platform: Platform, received: Sequence[Received]) -> RetryDelays:
    """Record dead letters on their jobs."""
    try:
        await record_dead_letters(platform, received)
    except DatabaseError as error:
        emit("dead_letters.not_stored", messages=len(received), error=error.code)
        return {item.message_id: pause(item.attempts, 0) for item in received}
    return {item.message_id: None for item in received}


async def record_dead_letters(platform: Platform, received: Sequence[Received]) -> None:
    """Fail the jobs of dead letters whose handler died, with the code of what failed last.

    A job that waits for another try stays queued, and the sweeper sends its message again when it
    is due. Such a job waits for the platform, or its record was written again and has another
    message.

    A text of another Worker that has no job yet gets a failed one, which can be retried.

    Raises:
        DatabaseError: nothing was written. The messages must be delivered again.
    """
    now = platform.clock.now()
    keys = [key for item in received if (key := item.key)]
    *_, failed, waiting = await platform.database.batch(
        [
            *late_arrival_statements(received, now),
            # A handler that died may have written to the index, so the next job must write again.
            doubt_running_statement(keys),
            *fail_statements(keys, now),
        ]
    )
    for row in waiting:
        emit("job.waiting", job=row["id"], code=row["error_code"])
    for row in failed:
        emit("job.failed", job=row["id"], code=row["error_code"], dead_letter=True)


async def _run(
    platform: Platform, collections: Collections, received: Sequence[Received]
) -> RetryDelays:
    """Run the jobs of a batch, then take its steps of backfills."""
    delays: RetryDelays = {}
    jobs = [item for item in received if not isinstance(item.message, BackfillStep)]
    if jobs:
        delays |= await run_jobs(platform, collections, jobs, arrival_statements)
    for item in received:
        if isinstance(item.message, BackfillStep):
            delays[item.message_id] = await _take(platform, collections, item, item.message)
    return delays


async def _take(
    platform: Platform, collections: Collections, received: Received, step: BackfillStep
) -> int | None:
    """Take one step of a backfill. If D1 fails, return the seconds until the next delivery."""
    try:
        await take_step(platform, collections, step)
    except DatabaseError as error:
        emit("backfill.step_failed", backfill=step.backfill_id, error=error.code)
        return pause(received.attempts, 0)
    return None
