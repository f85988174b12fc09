"""From vectors to the index: what is new goes in, what is surplus comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.embedding.decide import Work, numbers
from cognate.embedding.halving import isolating
from cognate.embedding.states import reserve_vectors
from cognate.embedding.waves import MAX_CALL_NUMBERS, grouped
from cognate.errors import PlatformError, VectorIndexRejected
from cognate.ids import vector_id
from cognate.ports import MAX_UPSERT, VectorEntry
from cognate.schema.collections import index_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, VectorIndex


async def reserve(database: Database, works: Sequence[Work]) -> None:
    """Write down which vectors a record may get in which index, *before* it gets them.

    Whatever dies afterwards, a later deletion knows how many vectors there may be, and where.
    Nothing is written where that is known already, so a batch of short texts costs no call.

    Raises:
        DatabaseError: nothing was reserved; nothing may be upserted.
    """
    rising = [
        work
        for work in works
        if work.placed
        and (
            len(work.chunks) > work.task.max_chunks or work.binding not in work.task.index_bindings
        )
    ]
    if rising:
        await database.batch(reserve_vectors(rising))
        for work in rising:
            work.task.max_chunks = max(work.task.max_chunks, len(work.chunks))


async def upsert(index: VectorIndex, works: Sequence[Work]) -> None:
    """Write the vectors of works that have some, in calls of at most `MAX_CALL_NUMBERS`.

    A record that Vectorize refuses is found by halving. A failed record gets its `error`.
    """
    for group in grouped(works, numbers, MAX_CALL_NUMBERS):
        for part, result in await isolating(
            group,
            lambda items: _upsert(index, items),
            divides=lambda error, _: isinstance(error, VectorIndexRejected),
        ):
            for work in part:
                work.wrote_index = True
                work.error = result if isinstance(result, PlatformError) else None


async def _upsert(index: VectorIndex, works: Sequence[Work]) -> None:
    """One call, or for a record that is too large for one as many as it needs."""
    found = [entry for work in works for entry in entries(work)]
    dimensions = works[0].task.collection.model.dimensions
    size = min(MAX_UPSERT, MAX_CALL_NUMBERS // dimensions)
    for start in range(0, len(found), size):
        await index.upsert(found[start : start + size])


async def remove(index: VectorIndex, works: Sequence[Work]) -> None:
    """Delete the surplus vectors of works. A failed call is the `error` of all of its records."""
    await _delete(index, [(work, identifier) for work in works for identifier in work.surplus_ids])


async def leave(index: VectorIndex, binding: str, works: Sequence[Work]) -> None:
    """Delete all vectors of works from an index of an earlier model."""
    await _delete(index, [(work, identifier) for work in works for identifier in work.all_ids])
    for work in works:
        if work.error is None:
            work.left_bindings.append(binding)


async def _delete(index: VectorIndex, vectors: Sequence[tuple[Work, str]]) -> None:
    """Delete vectors by their ids, as few calls as the index allows."""
    for start in range(0, len(vectors), MAX_UPSERT):
        group = vectors[start : start + MAX_UPSERT]
        for work, _ in group:
            work.wrote_index = True
        try:
            await index.delete([identifier for _, identifier in group])
        except PlatformError as error:
            for work, _ in group:
                work.error = error


def entries(work: Work) -> list[VectorEntry]:
    """The entries of one record, a vector for each chunk.

    The organization and the table come from D1, never from the record's own fields.
    """
    task = work.task
    metadata = index_metadata(task.collection, task.organization_id, task.metadata)
    return [
        VectorEntry(vector_id(task.vector_key, number), place.vectors, place.position, metadata)
        for number, place in enumerate(work.placed)
    ]
