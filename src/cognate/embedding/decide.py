"""Decide: compare a record with what is stored of it, and say what it needs. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cognate.chunking import Chunk, chunk
from cognate.errors import CognateError, MetadataTooLarge, TextTooLong
from cognate.schema.collections import index_metadata
from cognate.text_limits import chunks_problem, length_problem, metadata_problem

if TYPE_CHECKING:
    from cognate.embedding.load import RecordState


class Action(Enum):
    """What a record needs."""

    EMBED = "embed"
    """Its text changed, or was never embedded."""
    REINDEX = "reindex"
    """Its vectors are right, but the index may not have them with today's metadata."""
    REMOVE = "remove"
    """It is gone or empty: its vectors are removed."""
    NOTHING = "nothing"
    """D1 and the index agree with it."""


@dataclass(frozen=True)
class Decided:
    """A record and what it needs.

    Attributes:
        chunks: of the text if it is embedded, else the stored ones.
        error: why it goes no further; None while it goes well.
    """

    record: RecordState
    action: Action
    chunks: tuple[Chunk, ...] = ()
    error: CognateError | None = None

    @property
    def numbers(self) -> int:
        """How many numbers the vectors of the record have together."""
        return len(self.chunks) * self.record.collection.model.dimensions


def decide_record(record: RecordState) -> Decided:
    """Decide what a record needs."""
    if record.is_gone:
        return Decided(record, Action.REMOVE)
    if not record.embeds and record.stored_hash is None:
        # Nothing of it is indexed, so no metadata can be stale.
        return Decided(record, Action.NOTHING)
    if record.content_hash != record.stored_hash:
        return decide_to_embed(record)
    if record.index_hash == record.stored_index_hash:
        return Decided(record, Action.NOTHING, record.stored_chunks)
    return Decided(record, Action.REINDEX, record.stored_chunks, _metadata_error(record))


def decide_to_embed(record: RecordState) -> Decided:
    """Have a record embedded, unless its text or its metadata is too large."""
    model = record.collection.model
    problem = length_problem(record.text)
    chunks = () if problem else tuple(chunk(record.text, model.max_tokens))
    problem = problem or chunks_problem(len(chunks), model)
    error = TextTooLong(f"The text {problem}.") if problem else _metadata_error(record)
    return Decided(record, Action.EMBED, chunks, error)


def _metadata_error(record: RecordState) -> MetadataTooLarge | None:
    metadata = index_metadata(record.collection, record.organization_id, record.metadata)
    problem = metadata_problem(metadata)
    return MetadataTooLarge(f"The record {problem}.") if problem else None
