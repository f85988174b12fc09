"""One delivered batch, from messages to decisions, in a constant number of calls."""

from __future__ import annotations

import random
from itertools import chain, groupby
from typing import TYPE_CHECKING, Final

from cognate.errors import ConfigurationError, DatabaseError, PlatformError
from cognate.events import emit
from cognate.ingest.circuit import with_circuits
from cognate.ingest.claim import Delivery, claim
from cognate.ingest.embedding import ChunkText, embed_texts
from cognate.ingest.finish import Finished, finish
from cognate.ingest.indexing import remove, reserve_chunks, upsert
from cognate.ingest.isolating import isolating
from cognate.ingest.outcomes import JobOutcome, orphan, outcomes_of
from cognate.ingest.stored import load_stored
from cognate.ingest.work import Action, Work, grouped, work_for
from cognate.jobs import JobStatus
from cognate.messages import parse
from cognate.ports import MAX_UPSERT
from cognate.queueing import announce
from cognate.retry import is_suspect, pause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.collections import Collections
    from cognate.ports import Platform, VectorIndex

MAX_WAVE_CHUNKS: Final = MAX_UPSERT
"""Chunks that are in memory at once: about 12 MB of numbers at 1,024 dimensions."""

Verdicts = dict[str, int | None]
"""Message id to the seconds after which it is to be delivered again; None acknowledges it."""


async def run_batch(
    platform: Platform, collections: Collections, deliveries: Sequence[Delivery]
) -> Verdicts:
    """Do what the messages ask for. Raises nothing that a message or the platform can cause.

    For n messages about short texts: one D1 call to start the jobs and read their records, one AI
    call per hundred texts and model, one upsert per index (and one delete if vectors must go), one
    D1 call to store the outcome.

    Returns:
        For each message, whether and when it must be delivered again.
    """
    messages = [(delivery, parse(delivery.body, collections)) for delivery in deliveries]
    platform = with_circuits(platform)
    try:
        claimed = await claim(platform.database, collections, messages, platform.clock.now())
    except DatabaseError as error:
        emit("batch.not_started", messages=len(deliveries), error=error.code)
        return {item.message_id: pause(item.attempts, _jitter()) for item in deliveries}
    times: dict[str, int] = {}
    for delivery in deliveries:
        if job_id := claimed.job_of_message.get(delivery.message_id):
            times[job_id] = max(delivery.attempts, times.get(job_id, 0))
    pauses = await _settle(
        platform, [orphan(job) for job in claimed.orphans], claimed.waiting, times
    )
    works = [work_for(task) for task in claimed.tasks]
    for wave in _waves(works):
        await _run(platform, wave)
        now = platform.clock.now()
        outcomes = [item for work in wave for item in outcomes_of(work, times, now, _jitter)]
        pauses |= await _settle(platform, outcomes, claimed.waiting, times)
    return {
        delivery.message_id: pauses.get(claimed.job_of_message.get(delivery.message_id, ""))
        for delivery in deliveries
    }


def _waves(works: Sequence[Work]) -> Iterator[list[Work]]:
    fresh = [work for work in works if not _is_suspect(work)]
    suspect = [work for work in works if _is_suspect(work)]
    for group in (fresh, suspect):
        yield from grouped(group, lambda work: len(work.chunks), MAX_WAVE_CHUNKS)


def _is_suspect(work: Work) -> bool:
    return any(job.charges or is_suspect(job.attempts) for job in work.task.jobs)


async def _settle(
    platform: Platform,
    outcomes: Sequence[JobOutcome],
    waiting: Sequence[str],
    times: Mapping[str, int],
) -> dict[str, int]:
    """Store the outcomes; job id to pause, of those whose message must come back."""
    if not outcomes:
        return {}
    works = [list(group) for _, group in groupby(outcomes, key=lambda item: id(item.work))]
    pauses: dict[str, int] = {}
    # What D1 refuses again and again may be one record's fault.
    for part, result in await isolating(
        works,
        lambda items: finish(platform.database, list(chain(*items)), waiting, platform.clock.now()),
        divides=lambda _, items: any(is_suspect(times[item.job_id]) for item in chain(*items)),
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


async def _run(platform: Platform, works: Sequence[Work]) -> None:
    """Bring vectors and indexes up to date; what goes wrong is on the works it concerns."""
    try:
        await load_stored(platform.database, works)
        await _embed(platform, works)
        await reserve_chunks(platform.database, [work for work in works if work.error is None])
    except DatabaseError as error:
        for work in works:
            work.error = work.error or error
        return
    by_index = sorted(works, key=_binding)
    for binding, group in groupby(by_index, key=_binding):
        alive = [work for work in group if work.error is None]
        index = platform.indexes.get(binding)
        if index is not None:
            await _write_index(index, alive)
            continue
        for work in alive:
            work.error = ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")


def _binding(work: Work) -> str:
    return work.task.collection.model.index_binding


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
        texts = [
            ChunkText(
                work.task.text[part.start : part.end],
                suspect=_is_suspect(work),
            )
            for work in group
            for part in work.chunks
        ]
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
