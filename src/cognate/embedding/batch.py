"""One batch of messages: run its jobs in waves, and decide what becomes of each message."""

from __future__ import annotations

import random
from itertools import chain, groupby
from typing import TYPE_CHECKING

from cognate.embedding.circuit import with_circuits
from cognate.embedding.decide import Action, Work, numbers, work_for
from cognate.embedding.embed import embed_texts
from cognate.embedding.finish import Finished, finish
from cognate.embedding.halving import isolating
from cognate.embedding.index import leave, remove, reserve, upsert
from cognate.embedding.index_progress import TrackedIndex
from cognate.embedding.outcomes import JobOutcome, orphan, outcomes_of
from cognate.embedding.reload import load_stored
from cognate.embedding.start import claim, jobs_of
from cognate.embedding.waves import MAX_WAVE_NUMBERS, grouped
from cognate.errors import (
    ConfigurationError,
    DatabaseError,
    MissingColumn,
    MissingTable,
    PlatformError,
)
from cognate.events import emit
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import Delivery, parse
from cognate.jobs.queue import announce
from cognate.jobs.retry import ROW_REFUSALS, is_suspect, pause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.embedding.index_progress import Mutation
    from cognate.embedding.start import Task
    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.ports import Platform, VectorIndex
    from cognate.schema.collections import Collections


async def run_batch(
    platform: Platform, collections: Collections, deliveries: Sequence[Delivery]
) -> RetryDelays:
    """Do what the messages ask for.

    For n messages about short texts: one D1 call to start the jobs and read their records, one AI
    call per hundred texts and model, one upsert per index (and one delete if vectors must go), one
    D1 call to store the outcome. Long texts are as many waves as `cognate.embedding.waves` says.

    Returns:
        For each message, whether and when it must be delivered again.

    Raises:
        MissingTable: the table of a collection is not there; nothing was started.
        MissingColumn: or a column of it.
    """
    messages = [(delivery, parse(delivery.body, collections)) for delivery in deliveries]
    platform = with_circuits(platform)
    jobs = jobs_of(messages)
    times: dict[str, int] = {}
    for delivery in deliveries:
        if job_id := jobs.get(delivery.message_id):
            times[job_id] = max(delivery.attempts, times.get(job_id, 0))
    pauses: dict[str, int] = {}
    left: list[str] | None = None
    while left is None or left:
        now = platform.clock.now()
        try:
            claimed = await claim(platform.database, collections, messages, now, left)
        except DatabaseError as error:
            if left is None and isinstance(error, MissingTable | MissingColumn):
                raise
            emit("batch.not_started", messages=len(deliveries), error=error.code)
            if left is None:
                return {item.message_id: pause(item.attempts, _jitter()) for item in deliveries}
            pauses |= {job_id: pause(times[job_id], _jitter()) for job_id in left}
            break
        left = claimed.left
        orphans = [orphan(job) for job in claimed.orphans]
        pauses |= await _settle(platform, orphans, claimed.waiting, times)
        for works in _waves(claimed.tasks):
            pauses |= await _complete(platform, works, claimed.waiting, times)
    return {
        delivery.message_id: pauses.get(jobs.get(delivery.message_id, ""))
        for delivery in deliveries
    }


def _waves(tasks: Sequence[Task]) -> Iterator[list[Work]]:
    """Works whose vectors fit; texts are cut into chunks as their turn comes.

    What has failed by its own fault, or often, is not in one call with others.
    """
    fresh = [task for task in tasks if not _is_suspect(task)]
    suspect = [task for task in tasks if _is_suspect(task)]
    for group in (fresh, suspect):
        yield from grouped(map(work_for, group), numbers, MAX_WAVE_NUMBERS)


def _is_suspect(task: Task) -> bool:
    return any(job.charges or is_suspect(job.attempts) for job in task.jobs)


async def _complete(
    platform: Platform, works: Sequence[Work], waiting: Sequence[str], times: Mapping[str, int]
) -> dict[str, int]:
    """Do the works and store what became of them; job id to pause, as `_settle` answers."""
    mutations = await _run(platform, works)
    now = platform.clock.now()
    outcomes = [item for work in works for item in outcomes_of(work, times, now, _jitter)]
    return await _settle(platform, outcomes, waiting, times, mutations)


async def _settle(
    platform: Platform,
    outcomes: Sequence[JobOutcome],
    waiting: Sequence[str],
    times: Mapping[str, int],
    mutations: Sequence[Mutation] = (),
) -> dict[str, int]:
    """Store the outcomes; job id to pause, of those whose message must come back."""
    if not outcomes:
        return {}
    works = [list(group) for _, group in groupby(outcomes, key=lambda item: id(item.work))]
    pauses: dict[str, int] = {}
    for part, result in await isolating(
        works,
        lambda items: finish(
            platform.database, list(chain(*items)), waiting, platform.clock.now(), mutations
        ),
        divides=lambda error, _: isinstance(error, ROW_REFUSALS),
    ):
        stored = list(chain(*part))
        if isinstance(result, PlatformError):
            emit("batch.not_stored", jobs=len(stored), error=result.code)
            pauses |= {item.job_id: pause(times[item.job_id], _jitter()) for item in stored}
            continue
        _report(stored, result)
        await announce(platform, result.released)
        pauses |= {
            item.job_id: item.after_seconds
            for item in stored
            if item.after_seconds is not None
            and result.statuses.get(item.job_id) is JobStatus.QUEUED
        }
    return pauses


async def _run(platform: Platform, works: Sequence[Work]) -> list[Mutation]:
    """Bring vectors and indexes up to date; what goes wrong is on the works it concerns.

    Returns:
        The mutations that the indexes have accepted.
    """
    mutations: list[Mutation] = []
    try:
        await load_stored(platform.database, works)
        await _embed(platform, works)
        await reserve(platform.database, [work for work in works if work.error is None])
    except DatabaseError as error:
        for work in works:
            work.error = work.error or error
        return mutations
    by_index = sorted(works, key=_binding)
    for binding, group in groupby(by_index, key=_binding):
        alive = [work for work in group if work.error is None]
        index = platform.indexes.get(binding)
        if index is not None:
            tracked = TrackedIndex(index, binding, platform.clock)
            await _write_index(tracked, alive)
            mutations += tracked.mutations
            continue
        for work in alive:
            work.error = ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")
    await _leave_others(platform, works)
    return mutations


def _binding(work: Work) -> str:
    return work.binding


async def _leave_others(platform: Platform, works: Sequence[Work]) -> None:
    """Remove from the indexes of earlier models what is in the index of today's.

    An index whose binding is gone stays written down, and holds nobody up.
    """
    changed = [work for work in works if work.action is not Action.NOTHING]
    for binding in sorted({name for work in changed for name in work.other_bindings}):
        index = platform.indexes.get(binding)
        if index is not None:
            alive = [work for work in changed if work.error is None]
            await leave(index, binding, [work for work in alive if binding in work.other_bindings])


async def _write_index(index: VectorIndex, works: Sequence[Work]) -> None:
    await upsert(index, [work for work in works if work.placed])
    # The new vectors are in; only now may old ones go.
    await remove(
        index,
        [work for work in works if work.error is None and work.action is not Action.NOTHING],
    )


async def _embed(platform: Platform, works: Sequence[Work]) -> None:
    pending = [work for work in works if work.action is Action.EMBED and work.error is None]
    for model in dict.fromkeys(work.task.collection.model for work in pending):
        group = [work for work in pending if work.task.collection.model is model]
        texts = [work.task.text[part.start : part.end] for work in group for part in work.chunks]
        placed = iter(await embed_texts(platform.embedder, model, texts))
        for work in group:
            for place in [next(placed) for _ in work.chunks]:
                if isinstance(place, PlatformError):
                    work.error = place
                else:
                    work.placed.append(place)
            if work.error is not None:
                work.placed = []  # All of a record's chunks, or none.


def _report(outcomes: Sequence[JobOutcome], finished: Finished) -> None:
    for outcome in outcomes:
        status = finished.statuses.get(outcome.job_id)
        if status in {JobStatus.FAILED, JobStatus.QUEUED}:
            event = "job.failed" if status is JobStatus.FAILED else "job.retried"
            emit(event, job=outcome.job_id, code=outcome.code)
    emit(
        "batch.finished",
        jobs=len(finished.statuses),
        done=sum(status is JobStatus.DONE for status in finished.statuses.values()),
        repairs=finished.repairs,
    )


def _jitter() -> float:
    return random.random()  # noqa: S311 - spreads load, guards nothing
