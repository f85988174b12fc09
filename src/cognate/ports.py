"""The ports of the core: five small protocols, and the values that they exchange.

`cognate.cloudflare` implements them over the Worker's bindings, `local.adapters` over the local
platform and SQLite. One contract suite (`tests/contract`) runs over both. An adapter raises only
`cognate.errors.PlatformError` and its subclasses.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.models import EmbeddingModel

FLOAT32_BYTES: Final = 4
"""Bytes of one component of a stored vector."""

MAX_STATEMENT_PARAMETERS: Final = 100
"""Bound parameters of one D1 statement. A list is one JSON array, read by `json_each`."""

MAX_VALUE_BYTES: Final = 2_000_000
"""Bytes of one text, blob or row of D1, in UTF-8."""

MAX_RESULT_BYTES: Final = 50_000_000
"""Bytes of the answer to one D1 batch, as JSON."""

MAX_VECTOR_ID_BYTES: Final = 64
"""Length of a Vectorize id in UTF-8 (error 40008)."""

MAX_TOP_K: Final = 100
"""Matches of one Vectorize query without values and without unindexed metadata (error 40025)."""

MAX_UPSERT: Final = 1000
"""Vectors in one upsert from a Worker."""

MAX_DELETE: Final = 100
"""Ids in one `deleteByIds`. More give error 40007; the page of limits does not say so."""

MAX_FILTER_BYTES: Final = 2047
"""Bytes of a Vectorize filter as compact JSON: fewer than 2,048."""

MAX_MESSAGE_BYTES: Final = 128_000
"""Size of one queue message."""

MAX_MESSAGES_PER_SEND: Final = 100
"""Messages in one `sendBatch`."""

MAX_DELAY_SECONDS: Final = 86_400
"""The longest delay of a queue message: a day."""

Scalar = str | int | float | bool
"""A value of metadata or of a filter, which Vectorize can index."""

Parameter = str | int | float | None
"""A bound parameter of a statement. Bytes are passed as hexadecimal digits and read by `unhex()`. A
BLOB that is bound from JavaScript costs about fifty times as much as its share of one JSON text."""

Row = dict[str, Any]
"""A row by column name. A BLOB is never selected itself, but as `hex(column)`."""


class Vectors(Protocol):
    """A batch of vectors that stays where it was made.

    On Cloudflare it holds JavaScript arrays, because moving a hundred vectors through Python costs
    about a hundred times the CPU of passing them on. Nothing here is checked: a model's answer may
    have any shape, and `cognate.embedding.embed.checked` is what decides.
    """

    def lengths(self) -> Sequence[int]:
        """The number of components of each vector, in order."""
        ...

    def are_finite(self) -> bool:
        """Whether every component is a finite number."""
        ...

    def float32(self) -> bytes:
        """All components, little-endian float32, row after row: `[count, dimensions]`."""
        ...


@dataclass(frozen=True)
class StoredVectors:
    """Vectors from D1 or from a caller, as float32 bytes.

    Attributes:
        data: little-endian float32, `[count, dimensions]`.
        dimensions: components of each vector.
    """

    data: bytes
    dimensions: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> StoredVectors:
        """Make one vector from its components."""
        return cls(array("f", numbers).tobytes(), len(numbers))

    def lengths(self) -> Sequence[int]:
        """See `Vectors.lengths`."""
        return [self.dimensions] * (len(self.data) // (self.dimensions * FLOAT32_BYTES))

    def are_finite(self) -> bool:
        """See `Vectors.are_finite`."""
        return all(map(math.isfinite, array("f", self.data)))

    def float32(self) -> bytes:
        """See `Vectors.float32`."""
        return self.data


@dataclass(frozen=True)
class VectorEntry:
    """One vector to write to an index.

    Attributes:
        id: at most 64 bytes. An entry with the same id is replaced as a whole.
        vectors: the batch that holds the vector.
        position: of the vector in this batch.
        metadata: for filters, at most 10 KiB as JSON.
    """

    id: str
    vectors: Vectors
    position: int
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True)
class IndexMatch:
    """A match of a query. Its `score` is approximate, so never decide by it."""

    id: str
    score: float
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexState:
    """The progress of an index.

    Attributes:
        processed: the id of the newest mutation that queries see. They see all before it too. None
            if there was no mutation yet.
        vectors: the number of vectors that queries see.
    """

    processed: str | None
    vectors: int


class Embedder(Protocol):
    """Workers AI: turns texts into vectors."""

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """Embed 1 to `model.max_texts` texts in one call.

        An `urgent` call fails at once if the model is busy, because a caller waits for it. The
        answer is not checked: it may have fewer vectors than texts, or vectors of any shape.

        Raises:
            EmbedderError: the call failed.
        """
        ...


class VectorIndex(Protocol):
    """A Vectorize index. It is eventually consistent: a query sees a write after some time."""

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """Write 1 to 1,000 vectors, replacing those of the same id.

        Returns:
            The id of the mutation. The index processes mutations in the order in which it
            accepted them.

        Raises:
            VectorIndexError: nothing was written.
        """
        ...

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete vectors by id, in calls of at most 100. An unknown id is no error.

        Returns:
            The id of each call's mutation.

        Raises:
            VectorIndexError: some or none were deleted. Deleting all of them again is safe.
        """
        ...

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """Find the nearest matches of the *first* vector of `vectors`, best first.

        Args:
            vectors: the first one is the query.
            top_k: 1 to 100.
            conditions: a Vectorize filter, empty for none. Each key needs a metadata index that was
                made before the vectors were written.

        Raises:
            VectorIndexError: the call failed.
        """
        ...

    async def describe(self) -> IndexState:
        """Read the progress of the index.

        Raises:
            VectorIndexError: the call failed.
        """
        ...


@dataclass(frozen=True)
class Statement:
    """An SQL statement. Its parameters are bound to `?1`, `?2` and so on, in order."""

    sql: str
    parameters: tuple[Parameter, ...] = ()


class Database(Protocol):
    """D1: SQLite over the network. A batch is its only transaction."""

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run the statements in order, in one transaction and one round trip.

        Returns:
            The rows of each statement, in order.

        Raises:
            DatabaseError: nothing was written, or the answer was lost. An answer of more than 50 MB
                is always lost.
        """
        ...


class JobQueue(Protocol):
    """The queue of embedding jobs. It delivers each message at least once, in any order."""

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """Send messages as JSON, in calls of at most 100.

        Args:
            messages: each at most 128,000 bytes.
            delay_seconds: the time until they are delivered, 0 to 86,400.

        Raises:
            QueueError: some or none were accepted. Sending all of them again is safe.
        """
        ...


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The time now, in UTC, with its time zone."""
        ...


@dataclass(frozen=True)
class Platform:
    """The ports of one invocation, made at the edge and given to the core.

    Attributes:
        indexes: Vectorize indexes by the name of their binding.
        auth_database: the database of Better Auth's tables, often the same as `database`.
    """

    embedder: Embedder
    indexes: Mapping[str, VectorIndex]
    database: Database
    auth_database: Database
    queue: JobQueue
    clock: Clock
