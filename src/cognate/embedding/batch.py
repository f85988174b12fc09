"""One batch of job messages: load, decide, embed, index and keep its records, wave by wave."""

from __future__ import annotations

import random
from operator import attrgetter
from typing import TYPE_CHECKING

from cognate.embedding.decide import decide_record
from cognate.embedding.embed import embed_records
from cognate.embedding.finish import Finished, RecordOutcome, finish, orphan, outcome_of
from cognate.embedding.index import index_records
from cognate.embedding.load import load_records
from cognate.embedding.platform_calls import MAX_WAVE_NUMBERS, call_halving, grouped, with_circuits
from cognate.errors import DatabaseError, MissingColumn, MissingTable, PlatformError
from cognate.events import emit
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import ForeignText, JobReference, Received
from cognate.jobs.queue import announce
from cognate.jobs.retry import ROW_REFUSALS, is_suspect, pause
from cognate.schema.readiness import existing_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cognate.embedding.decide import Decided, RecordState
    from cognate.embedding.index_progress import Mutation
    from cognate.jobs.messages import JobKey, RetryDelays
    from cognate.jobs.run import JobEnd
    from cognate.ports import Database, Platform, Statement
    from cognate.schema.collections import Collection, Collections

    Arrive = Callable[[Sequence[Received], datetime], list[Statement]]
    """Makes the statements that write down the jobs of messages which bring a text of their own."""


async def run_jobs(
    platform: Platform, collections: Collections, received: Sequence[Received], arrive: Arrive
) -> RetryDelays:
    """Run the jobs that the messages of a batch name.

    For n messages about short texts: one D1 call to start the jobs and read their records, one AI
    call for each hundred texts and model, one upsert for each index (and one delete if vectors must
    go), and one D1 call to store the outcome. Long texts take several waves: see
    `cognate.embedding.platform_calls`.

    Every batch asks for the length of its records, and so names each table of the schema. If a
    table is not migrated, the batch runs without it: its own jobs are delivered again, and no other
    job waits for the migration. That costs one D1 call more, and one that fails.

    Returns:
        For each message, whether and when it must be delivered again.
    """
    try:
        return await _run(platform, collections, received, arrive)
    except (MissingTable, MissingColumn) as error:
        emit("batch.not_migrated", messages=len(received), error=str(error))
    delays: RetryDelays = {item.message_id: pause(item.attempts, 0) for item in received}
    try:
        there = collections.only(await _migrated(platform.database, list(collections)))
        able = [item for item in received if _is_able(item, there)]
        return delays | await _run(platform, there, able, arrive)
    except DatabaseError as error:
        emit("batch.not_started", messages=len(received), error=error.code)
        return delays


async def _migrated(database: Database, collections: Sequence[Collection]) -> list[str]:
    """Return the scopes of the collections whose table and columns exist."""
    found = await existing_columns(database, [collection.sql_table for collection in collections])
    return [
        collection.scope
        for collection in collections
        if found.get(collection.sql_table, set()).issuperset(collection.needed_columns)
    ]


def _is_able(received: Received, there: Collections) -> bool:
    match received.message:
        case ForeignText(collection=collection):
            return there.get(collection.scope) is not None
        case JobReference(scope=scope):
            return there.get(scope) is not None
        case _:
            return True


async def _run(
    platform: Platform, collections: Collections, received: Sequence[Received], arrive: Arrive
) -> RetryDelays:
    """Run the jobs in waves.

    Raises:
        MissingTable: the table of a collection is not there; nothing was started.
        MissingColumn: or a column of it.
    """
    platform = with_circuits(platform)
    deliveries: dict[str, int] = {}
    for item in received:
        deliveries[item.job_id] = max(item.attempts, deliveries.get(item.job_id, 0))
    delays: dict[str, int] = {}
    left = _keys(received)
    foreign = [item for item in received if not isinstance(item.message, JobReference)]
    is_first = True
    while is_first or left:
        now = platform.clock.now()
        arrivals = arrive(foreign, now) if is_first and foreign else []
        try:
            wave = await load_records(platform.database, collections, left, now, arrivals)
        except DatabaseError as error:
            if is_first and isinstance(error, MissingTable | MissingColumn):
                raise
            emit("batch.not_started", messages=len(received), error=error.code)
            if is_first:
                return {item.message_id: pause(item.attempts, _jitter()) for item in received}
            delays |= {key.job_id: pause(deliveries[key.job_id], _jitter()) for key in left}
            break
        left, is_first = wave.left, False
        orphans = [orphan(job) for job in wave.orphans]
        delays |= await _settle(platform, orphans, wave.waiting, deliveries)
        for decided in _parts(wave.records):
            delays |= await _complete(platform, decided, wave.waiting, deliveries)
    return {item.message_id: delays.get(item.job_id) for item in received}


def _keys(received: Sequence[Received]) -> list[JobKey]:
    """Return the jobs of messages, each once. It is redelivered if one of its messages was."""
    found: dict[str, JobKey] = {}
    for item in received:
        key = item.key
        if key is not None and (key.redelivered or key.job_id not in found):
            found[key.job_id] = key
    return list(found.values())


def _parts(records: Sequence[RecordState]) -> Iterator[list[Decided]]:
    """Group records so that the vectors of a group fit into memory. Texts are cut group by group.

    A record that may have caused failures, or has failed often, shares no group with others.
    """
    fresh: list[RecordState] = []
    suspect: list[RecordState] = []
    for record in records:
        (suspect if _is_suspect(record) else fresh).append(record)
    for group in (fresh, suspect):
        yield from grouped(map(decide_record, group), attrgetter("numbers"), MAX_WAVE_NUMBERS)


def _is_suspect(record: RecordState) -> bool:
    return any(job.charges or is_suspect(job.attempts) for job in record.jobs)


async def _complete(
    platform: Platform,
    decided: Sequence[Decided],
    waiting: Sequence[str],
    deliveries: Mapping[str, int],
) -> dict[str, int]:
    """Embed, index and keep records. Return what `_settle` returns."""
    embedded = await embed_records(platform, decided)
    indexed, mutations = await index_records(platform, embedded)
    now = platform.clock.now()
    outcomes = [outcome_of(item, deliveries, now, _jitter) for item in indexed]
    return await _settle(platform, outcomes, waiting, deliveries, mutations)


async def _settle(
    platform: Platform,
    outcomes: Sequence[RecordOutcome],
    waiting: Sequence[str],
    deliveries: Mapping[str, int],
    mutations: Sequence[Mutation] = (),
) -> dict[str, int]:
    """Store the outcomes.

    A record that D1 refuses is found by halving; the others are stored without it.

    Returns:
        Job id to pause, for jobs whose message must be delivered again.
    """
    if not outcomes:
        return {}
    delays: dict[str, int] = {}
    for part, result in await call_halving(
        outcomes,
        lambda items: finish(platform.database, items, waiting, platform.clock.now(), mutations),
        ROW_REFUSALS,
    ):
        ends = [end for outcome in part for end in outcome.ends]
        if isinstance(result, PlatformError):
            emit("batch.not_stored", jobs=len(ends), error=result.code)
            delays |= {end.job.id: pause(deliveries[end.job.id], _jitter()) for end in ends}
            continue
        _report(ends, result)
        if result.released:
            await announce(platform, result.released)
        delays |= {
            end.job.id: end.after_seconds
            for end in ends
            if end.after_seconds is not None and result.statuses.get(end.job.id) is JobStatus.QUEUED
        }
    return delays


def _report(ends: Sequence[JobEnd], finished: Finished) -> None:
    for end in ends:
        status = finished.statuses.get(end.job.id)
        if status in {JobStatus.FAILED, JobStatus.QUEUED}:
            event = "job.failed" if status is JobStatus.FAILED else "job.retried"
            emit(event, job=end.job.id, code=end.code)
    emit(
        "batch.finished",
        jobs=len(finished.statuses),
        done=sum(status is JobStatus.DONE for status in finished.statuses.values()),
        repairs=finished.repairs,
    )


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads load, guards nothing
