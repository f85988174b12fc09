"""Decide: compare a record with what is stored of it, and say what it needs. Pure functions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from cognate.chunking import Chunk, chunk
from cognate.errors import CognateError, MetadataTooLarge, TextTooLong
from cognate.schema.collections import index_metadata
from cognate.text_limits import chunks_problem, length_problem, metadata_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.jobs.run import StartedJob
    from cognate.models import EmbeddingModel
    from cognate.ports import Scalar
    from cognate.schema.collections import Collection


def content_hash(text: str, model: EmbeddingModel) -> str:
    """Hash the fingerprint of the model and the text: SHA-256 in hex."""
    seed = f"{model.fingerprint}\n{text}"
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()


def index_hash(content: str, metadata: Mapping[str, Scalar]) -> str:
    """Hash what an index holds of a record, its content hash and its metadata: SHA-256 in hex."""
    seed = json.dumps([content, sorted(metadata.items())])
    return hashlib.sha256(seed.encode()).hexdigest()


@dataclass(frozen=True)
class RecordState:
    """What D1 says of one record and of its vectors, for one or more started jobs.

    Attributes:
        jobs: the started jobs of the record, the latest first.
        embeds: False if a changed text is not embedded: only its metadata is followed.
        exists: whether the record is there.
        text: the text to embed; empty if there is none.
        metadata: what filters may ask for.
        revision: a result counts only while the record still has this revision.
        stored_hash: content hash of the vectors in D1; None without vectors.
        stored_index_hash: index hash of what the index was last given; None if that is not known.
        stored_chunks: where each stored chunk lies in its text.
        max_chunks: the index never got a chunk number of this or above for this record.
        is_uncertain: an earlier try may have written to the index without saying so.
        changes: number of the record's last change that was read.
        index_bindings: indexes that may hold vectors of this record.
        content_hash: of the text, or of the stored vectors if the text is not embedded.
        index_hash: of the content and the metadata.
        is_behind: the stored vectors are of another text, and stay so.
        is_gone: there is nothing that a search could find.
    """

    collection: Collection
    organization_id: str
    record_id: str
    vector_key: str
    jobs: tuple[StartedJob, ...]
    embeds: bool
    exists: bool
    text: str
    metadata: Mapping[str, Scalar]
    revision: int
    stored_hash: str | None
    stored_index_hash: str | None
    stored_chunks: tuple[Chunk, ...]
    max_chunks: int
    is_uncertain: bool
    changes: int = 0
    index_bindings: tuple[str, ...] = ()

    content_hash: str = field(init=False)
    index_hash: str = field(init=False)
    is_behind: bool = field(init=False)
    is_gone: bool = field(init=False)

    def __post_init__(self) -> None:
        """Hash the text and the metadata."""
        text_hash = content_hash(self.text, self.collection.model)
        stored = text_hash if self.embeds or self.stored_hash is None else self.stored_hash
        computed = {
            "content_hash": stored,
            "index_hash": index_hash(stored, self.metadata),
            "is_behind": stored != text_hash,
            "is_gone": not self.exists or not self.text.strip(),
        }
        for name, value in computed.items():
            object.__setattr__(self, name, value)


def stored_chunks(column: str) -> tuple[Chunk, ...]:
    """Read the column `chunks` of a state row."""
    return tuple(Chunk(start, end) for start, end in json.loads(column))


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
