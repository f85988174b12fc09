"""Run a batch although a migration is missing.

Every batch asks how long the records of its jobs are, and so names each table of the schema. A
table that is not there would hold up the jobs of all others. Its own jobs wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.embedding.batch import run_batch
from cognate.errors import DatabaseError, MissingColumn, MissingTable
from cognate.events import emit
from cognate.jobs.messages import ForeignText, JobReference, parse
from cognate.jobs.retry import pause
from cognate.schema.readiness import existing_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery, Message, RetryDelays
    from cognate.ports import Database, Platform
    from cognate.schema.collections import Collection, Collections


async def run_migrated(
    platform: Platform, collections: Collections, deliveries: Sequence[Delivery]
) -> RetryDelays:
    """Do what the messages ask for; those of a table that is not migrated come back later.

    One D1 call more, and one that fails, only where a table or column is missing.

    Returns:
        For each message, whether and when it must be delivered again.
    """
    try:
        return await run_batch(platform, collections, deliveries)
    except (MissingTable, MissingColumn) as error:
        emit("batch.not_migrated", messages=len(deliveries), error=str(error))
    verdicts: RetryDelays = {item.message_id: pause(item.attempts, 0) for item in deliveries}
    try:
        there = collections.only(await _migrated(platform.database, list(collections)))
        able = [item for item in deliveries if _is_able(parse(item.body, collections), there)]
        return verdicts | await run_batch(platform, there, able)
    except DatabaseError as error:
        emit("batch.not_started", messages=len(deliveries), error=error.code)
        return verdicts


def _is_able(message: Message, there: Collections) -> bool:
    match message:
        case ForeignText():
            return there.get(message.collection.scope) is not None
        case JobReference():
            return there.get(message.scope) is not None
        case _:
            return True


async def _migrated(database: Database, collections: Sequence[Collection]) -> list[str]:
    """The scopes of the collections whose table and columns are there."""
    found = await existing_columns(database, [collection.sql_table for collection in collections])
    return [
        collection.scope
        for collection in collections
        if found.get(collection.sql_table, set()).issuperset(collection.needed_columns)
    ]
