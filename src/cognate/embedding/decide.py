"""What is to be done for one record of a batch, decided before anything is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from cognate.chunking import Chunk, chunk
from cognate.errors import CognateError, MetadataTooLarge, TextTooLong
from cognate.ids import vector_id
from cognate.schema.collections import index_metadata
from cognate.text_limits import chunks_problem, length_problem, metadata_problem

if TYPE_CHECKING:
    from cognate.embedding.embed import Placed
    from cognate.embedding.start import Task


class Action(Enum):
    """What a record needs."""

    EMBED = "embed"
    """Its text changed, or was never embedded."""
    REINDEX = "reindex"
    """Its vectors are right, but the index may not have them with the metadata of now."""
    REMOVE = "remove"
    """It is gone or empty: so are its vectors."""
    NOTHING = "nothing"
    """All is as it should be."""


@dataclass
class Work:
    """One task on its way through a batch.

    Attributes:
        chunks: of the text, where it is embedded; else as they are stored.
        placed: the vector of each chunk, once there is one.
        error: why it stopped; None while it goes well.
        wrote_index: whether a call that may have changed the index was made for it.
        left_bindings: of the indexes from which all of its vectors were removed.
    """

    task: Task
    action: Action
    chunks: list[Chunk] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    error: CognateError | None = None
    wrote_index: bool = False
    left_bindings: list[str] = field(default_factory=list)

    @property
    def may_have_written(self) -> bool:
        """Whether this try, or one before it, may have changed the index for this revision."""
        return self.wrote_index or (self.error is not None and self.task.is_uncertain)

    @property
    def leaves_index_unsure(self) -> bool:
        """Whether it failed when the index may hold something else than D1 says."""
        return self.error is not None and self.may_have_written

    @property
    def surplus_ids(self) -> list[str]:
        """Vector ids of chunk numbers that the record has no longer.

        Where the index is known to agree with D1 these are the stored chunks beyond the new ones;
        where it is not, all that were ever written.
        """
        task = self.task
        known = task.stored_index_hash is not None and self.action is not Action.REMOVE
        end = len(task.stored_chunks) if known else task.max_chunks
        start = 0 if self.action is Action.REMOVE else len(self.chunks)
        return [vector_id(task.vector_key, number) for number in range(start, end)]

    @property
    def binding(self) -> str:
        """Of the index that is to hold the record's vectors."""
        return self.task.collection.model.index_binding

    @property
    def other_bindings(self) -> list[str]:
        """Of indexes that hold vectors of an earlier model, and are to hold none."""
        return [name for name in self.task.index_bindings if name != self.binding]

    @property
    def all_ids(self) -> list[str]:
        """The ids of all vectors that the record may ever have had in an index."""
        task = self.task
        return [vector_id(task.vector_key, number) for number in range(task.max_chunks)]


def work_for(task: Task) -> Work:
    """Decide what a record needs."""
    if task.is_gone:
        return Work(task, Action.REMOVE)
    if not task.embeds and task.stored_hash is None:
        return Work(task, Action.NOTHING)  # Nothing of it is indexed, so no metadata can be stale.
    if task.content_hash == task.stored_hash:
        chunks = [Chunk(start, end) for start, end in task.stored_chunks]
        if task.index_hash == task.stored_index_hash:
            return Work(task, Action.NOTHING, chunks)
        work = Work(task, Action.REINDEX, chunks)
        work.error = _metadata_error(task)
        return work
    problem = length_problem(task.text)
    model = task.collection.model
    work = Work(task, Action.EMBED, [] if problem else chunk(task.text, model.max_tokens))
    problem = problem or chunks_problem(len(work.chunks), model)
    work.error = TextTooLong(f"The text {problem}.") if problem else _metadata_error(task)
    return work


def _metadata_error(task: Task) -> MetadataTooLarge | None:
    metadata = index_metadata(task.collection, task.organization_id, task.metadata)
    problem = metadata_problem(metadata)
    return MetadataTooLarge(f"The record {problem}.") if problem else None


def numbers(work: Work) -> int:
    """How many numbers the vectors of a record have together."""
    return len(work.chunks) * work.task.collection.model.dimensions
