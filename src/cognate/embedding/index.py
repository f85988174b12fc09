"""Index: write the vectors of records to Vectorize, and delete those that are surplus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from cognate.embedding.decide import Action
from cognate.embedding.embed import Embedded
from cognate.embedding.index_progress import TrackedIndex
from cognate.embedding.keep import reserve_vectors
from cognate.embedding.platform_calls import MAX_CALL_NUMBERS, call_halving, grouped
from cognate.errors import (
    CognateError,
    ConfigurationError,
    DatabaseError,
    PlatformError,
    VectorIndexRejected,
)
from cognate.ids import vector_id
from cognate.ports import MAX_UPSERT, VectorEntry
from cognate.schema.collections import index_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cognate.embedding.index_progress import Mutation
    from cognate.ports import Platform, VectorIndex


@dataclass(frozen=True)
class Indexed(Embedded):
    """A record after the calls of the indexes.

    Attributes:
        wrote_index: whether a call was made for it that may have changed an index.
        left_bindings: indexes of earlier models from which all of its vectors were deleted.
    """

    wrote_index: bool = False
    left_bindings: tuple[str, ...] = ()

    @property
    def binding(self) -> str:
        """The binding of the index for the record's vectors."""
        return self.record.collection.model.index_binding

    @property
    def other_bindings(self) -> list[str]:
        """Indexes of earlier models that may still hold vectors of the record."""
        return [name for name in self.record.index_bindings if name != self.binding]

    @property
    def surplus_ids(self) -> list[str]:
        """Vector ids of chunk numbers that the record no longer has.

        If the index is known to agree with D1, these are the stored chunks beyond the new ones. If
        it is not, they are all that were ever written.
        """
        record = self.record
        known = record.stored_index_hash is not None and self.action is not Action.REMOVE
        end = len(record.stored_chunks) if known else record.max_chunks
        start = 0 if self.action is Action.REMOVE else len(self.chunks)
        return [vector_id(record.vector_key, number) for number in range(start, end)]

    @property
    def may_have_written(self) -> bool:
        """Whether this try, or one before it, may have changed the index for this revision."""
        return self.wrote_index or (self.error is not None and self.record.is_uncertain)

    @property
    def leaves_index_unsure(self) -> bool:
        """Whether it failed when the index may hold something else than D1 says."""
        return self.error is not None and self.may_have_written

    @property
    def max_chunks(self) -> int:
        """No index got a chunk number of this or above for this record."""
        return max(self.record.max_chunks, len(self.vectors))

    @property
    def is_indexed(self) -> bool:
        """Whether the index has accepted the vectors and the metadata."""
        return self.wrote_index and self.error is None and self.action is not Action.REMOVE


async def index_records(
    platform: Platform, embedded: Sequence[Embedded]
) -> tuple[list[Indexed], list[Mutation]]:
    """Bring the indexes up to date: one upsert for each index, one delete if anything goes.

    Returns:
        Every record, and the mutations that the indexes have accepted. A record with an error is
        passed on as it is. If nothing can be reserved in D1, that is the error of each.
    """
    items = [Indexed(**vars(item)) for item in embedded]
    try:
        await _reserve(platform, items)
    except DatabaseError as error:
        return [_failed(item, error) for item in items], []
    by_binding = attrgetter("binding")
    indexed: list[Indexed] = []
    mutations: list[Mutation] = []
    for binding, group in groupby(sorted(items, key=by_binding), key=by_binding):
        index = platform.indexes.get(binding)
        if index is None:
            missing = ConfigurationError(binding, f"The Vectorize binding {binding} is missing.")
            indexed += [_failed(item, missing) for item in group]
            continue
        tracked = TrackedIndex(index, binding, platform.clock)
        upserted = await _upsert(tracked, list(group))
        # The new vectors are in. Only now may old ones go.
        indexed += await _delete(tracked, upserted, _surplus_ids)
        mutations += tracked.mutations
    return await _leave_others(platform, indexed), mutations


def _failed(item: Indexed, error: CognateError) -> Indexed:
    return replace(item, error=item.error or error)


async def _reserve(platform: Platform, items: Sequence[Indexed]) -> None:
    """Write down which vectors a record may get in which index, *before* it gets them.

    If the consumer dies afterwards, a later deletion knows how many vectors there may be, and
    where. If that is known already, nothing is written: a batch of short texts costs no call.

    Raises:
        DatabaseError: nothing was reserved; nothing may be upserted.
    """
    rising = [
        item
        for item in items
        if item.error is None
        and item.vectors
        and (
            item.max_chunks > item.record.max_chunks
            or item.binding not in item.record.index_bindings
        )
    ]
    if rising:
        await platform.database.batch(reserve_vectors(rising))


async def _upsert(index: VectorIndex, items: Sequence[Indexed]) -> list[Indexed]:
    """Write the vectors of records, in calls of at most `MAX_CALL_NUMBERS` numbers.

    A record that Vectorize refuses is found by halving, and gets the error alone.
    """
    ready = [item for item in items if item.vectors and item.error is None]
    done = [item for item in items if not (item.vectors and item.error is None)]
    for group in grouped(ready, attrgetter("numbers"), MAX_CALL_NUMBERS):
        for part, result in await call_halving(
            group,
            partial(_upsert_call, index),
            (VectorIndexRejected,),
        ):
            error = result if isinstance(result, PlatformError) else None
            done += [replace(item, wrote_index=True, error=error) for item in part]
    return done


async def _upsert_call(index: VectorIndex, items: Sequence[Indexed]) -> None:
    """Make one call. A record that is too large for one call gets as many as it needs."""
    entries = [entry for item in items for entry in _entries(item)]
    dimensions = items[0].record.collection.model.dimensions
    size = min(MAX_UPSERT, MAX_CALL_NUMBERS // dimensions)
    for start in range(0, len(entries), size):
        await index.upsert(entries[start : start + size])


def _entries(item: Indexed) -> list[VectorEntry]:
    """The index entries of one record, one for each chunk.

    The organization and the table come from D1, never from the record's own fields.
    """
    record = item.record
    metadata = index_metadata(record.collection, record.organization_id, record.metadata)
    return [
        VectorEntry(vector_id(record.vector_key, number), row.vectors, row.position, metadata)
        for number, row in enumerate(item.vectors)
    ]


async def _leave_others(platform: Platform, items: Sequence[Indexed]) -> list[Indexed]:
    """Delete the vectors of earlier models from their indexes.

    An index whose binding is gone stays written down, and delays no record.
    """
    left = list(items)
    bindings = {name for item in items if _changes(item) for name in item.other_bindings}
    for binding in sorted(bindings):
        index = platform.indexes.get(binding)
        if index is not None:
            left = [
                replace(item, left_bindings=(*item.left_bindings, binding))
                if _leaves(item, binding)
                else item
                for item in await _delete(index, left, partial(_all_ids, binding=binding))
            ]
    return left


def _changes(item: Indexed) -> bool:
    """Whether the record was to be changed, and nothing went wrong."""
    return item.error is None and item.action is not Action.NOTHING


def _surplus_ids(item: Indexed) -> Iterable[str]:
    return item.surplus_ids if _changes(item) else ()


def _leaves(item: Indexed, binding: str) -> bool:
    return _changes(item) and binding in item.other_bindings


def _all_ids(item: Indexed, binding: str) -> Iterable[str]:
    """The ids of all vectors that the record may have in the index of an earlier model."""
    record = item.record
    numbers = range(record.max_chunks if _leaves(item, binding) else 0)
    return (vector_id(record.vector_key, number) for number in numbers)


async def _delete(
    index: VectorIndex, items: Sequence[Indexed], ids_of: Callable[[Indexed], Iterable[str]]
) -> list[Indexed]:
    """Delete vectors of records, in as few calls as the index allows.

    A call that fails is the error of all of its records.
    """
    vectors = [(place, found) for place, item in enumerate(items) for found in ids_of(item)]
    touched: set[int] = set()
    errors: dict[int, CognateError] = {}
    for start in range(0, len(vectors), MAX_UPSERT):
        group = vectors[start : start + MAX_UPSERT]
        places = {place for place, _ in group}
        touched |= places
        try:
            await index.delete([found for _, found in group])
        except PlatformError as error:
            errors |= dict.fromkeys(places, error)
    return [
        replace(item, wrote_index=True, error=errors.get(place, item.error))
        if place in touched
        else item
        for place, item in enumerate(items)
    ]
