"""Embed and compare records that were accepted but are not embedded yet.

A search must not call a text new while an equal one waits in the queue. So it reads the pending
records, embeds their texts in one call, compares them, and keeps their vectors. The consumer then
only writes them to the index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cognate.embedding.decide import Action, Decided, RecordState, decide_record, stored_chunks
from cognate.embedding.embed import Embedded, VectorRow, checked, texts_of_chunks
from cognate.embedding.keep import keep_early
from cognate.errors import DatabaseError, EmbedderError, NotEmbedded, NotFound
from cognate.events import emit
from cognate.ports import FLOAT32_BYTES, StoredVectors
from cognate.search.candidates import (
    MAX_COUNTED,
    SearchTarget,
    read_first_vector,
    read_pending,
)
from cognate.search.filters import Filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.ports import Platform, Row, Scalar, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection


@dataclass(frozen=True)
class PendingChunk:
    """A chunk of a pending record that the search has embedded.

    Attributes:
        record_id: of its record.
        metadata: of its record, by JSON name.
        place: in the embedded text, as (start, end) in characters.
        vector: little-endian float32.
    """

    record_id: str
    metadata: Mapping[str, Scalar]
    place: tuple[int, int]
    vector: bytes


@dataclass(frozen=True)
class Pending:
    """The pending records of a search.

    Attributes:
        count: pending records that the search has to compare, at most 1,000.
        chunks: of the records that were embedded.
        replaced: ids of records whose stored vectors are of an older text: those that were
            embedded, and those whose text is blank now.
        is_complete: all of them were embedded.
    """

    count: int = 0
    chunks: Sequence[PendingChunk] = field(default_factory=tuple)
    replaced: frozenset[str] = frozenset()
    is_complete: bool = True


async def embed_pending(platform: Platform, target: SearchTarget, rows: Sequence[Row]) -> Pending:
    """Embed the records that `read_pending` found in at most one call, and keep their vectors.

    It raises nothing. What the model or D1 refuses now is left to the consumer.
    """
    collection = target.collection
    cut = bool(rows[0]["is_cut"])
    if rows[0]["records"] == 0:
        return Pending(MAX_COUNTED if cut else 0, is_complete=not cut)
    read = [_decided(target, row) for row in rows if row["is_read"]]
    waiting = [item for item in read if item.action is Action.EMBED and item.error is None]
    behind = rows[0]["records"] - len(read)
    chosen: list[Decided] = []
    room = collection.model.max_texts
    for item in waiting:
        if len(item.chunks) <= room:
            chosen.append(item)
            room -= len(item.chunks)
    count = MAX_COUNTED if cut else len(waiting) + behind
    blank = frozenset(item.record.record_id for item in read if item.action is Action.REMOVE)
    if not chosen:
        return Pending(count, replaced=blank, is_complete=not cut and count == 0)
    try:
        embedded = await _embed(platform, collection, chosen)
    except EmbedderError as error:
        emit("search.pending_not_embedded", records=len(chosen), error=error.code)
        return Pending(count, replaced=blank, is_complete=False)
    await _keep(platform, embedded)
    replaced = blank.union(item.record.record_id for item in embedded)
    is_complete = not cut and len(embedded) == count
    return Pending(count, list(_chunks(collection, embedded)), replaced, is_complete=is_complete)


async def vector_or_text_of(
    platform: Platform, collection: Collection, organization_id: OrganizationId, record_id: str
) -> Vectors | str:
    """Read the query of a search by record: its stored vector, or its text if that is newer.

    The vector is the one of the record's first chunk.

    Raises:
        NotFound: there is no such record in this organization.
        NotEmbedded: the record has no vector of the current model yet.
        DatabaseError: D1 failed.
    """
    target = SearchTarget(collection, organization_id, Filter())
    rows, [waiting] = await platform.database.batch(
        [read_first_vector(target, record_id), read_pending(target, record_id)]
    )
    if not rows:
        message = f"There is no such record in the table {collection.scope!r} of your organization."
        raise NotFound("record", message)
    data = bytes.fromhex(rows[0]["vector"] or "")
    text = _pending_text(target, waiting)
    if len(data) != collection.model.dimensions * FLOAT32_BYTES or text == "":
        message = (
            "The record has no vector yet: its job is still open or failed, or its text is empty. "
            "The list of embedding jobs, by its table and id, says which."
        )
        raise NotEmbedded(message)
    return text or StoredVectors(data, collection.model.dimensions)


def _pending_text(target: SearchTarget, row: Row) -> str | None:
    """The text of a pending record. It is empty if the text is blank now.

    It is None if the record is not pending, or if its text cannot be embedded.
    """
    if not row["is_read"]:
        return None
    found = _decided(target, row)
    if found.action is Action.REMOVE:
        return ""
    return found.record.text if found.action is Action.EMBED and found.error is None else None


def _decided(target: SearchTarget, row: Row) -> Decided:
    collection = target.collection
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    chunks = stored_chunks(row["chunks"])
    has_vectors = row["stored_bytes"] == (len(chunks) * collection.model.dimensions * FLOAT32_BYTES)
    return decide_record(
        RecordState(
            collection=collection,
            organization_id=target.organization_id,
            record_id=row["record_id"],
            vector_key=row["vector_key"],
            jobs=(),
            embeds=True,
            exists=True,
            text=row["posted_text"] or collection.text_of(fields),
            metadata=collection.metadata_of(fields),
            revision=row["revision"],
            stored_hash=row["content_hash"] if has_vectors else None,
            stored_index_hash=row["index_hash"],
            stored_chunks=chunks,
            max_chunks=row["max_chunks"],
            is_uncertain=False,
            changes=row["changes"],
        )
    )


async def _embed(
    platform: Platform, collection: Collection, chosen: Sequence[Decided]
) -> list[Embedded]:
    """Embed the texts of records in one call."""
    texts = texts_of_chunks(chosen)
    answer = await platform.embedder.embed(collection.model, texts, urgent=True)
    vectors = checked(answer, count=len(texts), model=collection.model)
    rows = iter(VectorRow(vectors, position) for position in range(len(texts)))
    return [
        Embedded(**vars(item), vectors=tuple(next(rows) for _ in item.chunks)) for item in chosen
    ]


def _chunks(collection: Collection, embedded: Sequence[Embedded]) -> Iterator[PendingChunk]:
    size = collection.model.dimensions * FLOAT32_BYTES
    data = embedded[0].vectors[0].vectors.float32()
    for item in embedded:
        record = item.record
        for part, row in zip(item.chunks, item.vectors, strict=True):
            start = row.position * size
            vector = data[start : start + size]
            yield PendingChunk(record.record_id, record.metadata, (part.start, part.end), vector)


async def _keep(platform: Platform, embedded: Sequence[Embedded]) -> None:
    """Store the vectors for the revisions that were read.

    A newer revision, and what a consumer has stored meanwhile, are left alone.
    """
    try:
        await platform.database.batch(keep_early(embedded, platform.clock.now()))
    except DatabaseError as error:
        emit("search.pending_not_kept", records=len(embedded), error=error.code)
