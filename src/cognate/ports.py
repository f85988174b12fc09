"""What the core needs from a platform: five small protocols and the values they exchange.

`cognate.cloudflare` implements them over the Worker's bindings, `local.adapters` over the local
platform and SQLite; one contract suite (`tests/contract`) runs over both. An adapter raises nothing
but `cognate.errors.PlatformError` and its children.
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
"""Bound parameters of one D1 statement; lists go in as one JSON array through `json_each`."""

MAX_VALUE_BYTES: Final = 2_000_000
"""Bytes of one text, blob or row of D1, in UTF-8."""

MAX_RESULT_BYTES: Final = 50_000_000
"""Bytes of what one D1 batch answers, as JSON."""

MAX_VECTOR_ID_BYTES: Final = 64
"""Length of a Vectorize id in UTF-8 (error 40008)."""

MAX_TOP_K: Final = 100
"""Matches of one Vectorize query without values and without unindexed metadata (error 40025)."""

MAX_UPSERT: Final = 1000
"""Vectors in one upsert from a Worker."""

MAX_DELETE: Final = 100
"""Ids in one `deleteByIds`: the answer to more is error 40007; the page of limits is silent."""

MAX_FILTER_BYTES: Final = 2047
"""Length of a Vectorize filter as compact JSON: fewer than 2,048 bytes."""

MAX_MESSAGE_BYTES: Final = 128_000
"""Size of one queue message."""

MAX_MESSAGES_PER_SEND: Final = 100
"""Messages in one `sendBatch`."""

MAX_DELAY_SECONDS: Final = 86_400
"""Longest delay of a queue message, a day."""

Scalar = str | int | float | bool
"""A value of metadata or of a filter: what Vectorize can index."""

Parameter = str | int | float | None
"""A bound parameter of a statement. Bytes go in as hexadecimal digits, through `unhex()`: a BLOB
that is bound from JavaScript costs about fifty times as much as its share of one JSON text."""

Row = dict[str, Any]
"""A row by column name. A BLOB is never selected as it is: ask for `hex(column)`."""


class Vectors(Protocol):
    """A batch of vectors that stays where it was made.

    On Cloudflare it holds JavaScript arrays, because moving a hundred vectors through Python costs
    about a hundred times the CPU of handing them on. Nothing here is checked: a model's answer may
    have any shape, and `cognate.embedding.embed.checked` is what decides.
    """

    def lengths(self) -> Sequence[int]:
        """The number of components of each vector, in order; its length is their count."""
        ...

    def are_finite(self) -> bool:
        """Whether every component is a number, and none infinite."""
        ...

    def float32(self) -> bytes:
        """All components, little-endian float32, row after row: `[count, dimensions]`."""
        ...


@dataclass(frozen=True)
class StoredVectors:
    """Vectors read back from D1 or sent by a caller, as float32 bytes.

    Attributes:
        data: little-endian float32, `[count, dimensions]`.
        dimensions: components of each vector.
    """

    data: bytes
    dimensions: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> StoredVectors:
        """One vector from its components."""
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
    """One vector to be written to an index.

    Attributes:
        id: at most 64 bytes; an entry of the same id is replaced as a whole.
        vectors: the batch that holds it.
        position: its row in that batch.
        metadata: what filters can ask for; at most 10 KiB as JSON.
    """

    id: str
    vectors: Vectors
    position: int
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True)
class IndexMatch:
    """One answer of an index. `score` is the index's own, approximate one: never decide by it."""

    id: str
    score: float
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class IndexState:
    """What an index says of itself.

    Attributes:
        processed: id of the newest mutation that queries see, together with all before it; None
            while there is none.
        vectors: number of vectors that queries see.
    """

    processed: str | None
    vectors: int


class Embedder(Protocol):
    """Turns texts into vectors: Workers AI."""

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """Embed 1 to `model.max_texts` texts in one call.

        `urgent` asks to fail at once when the model is busy: for a caller who waits.
        The answer is not checked: it may hold fewer vectors than texts, or odd ones.

        Raises:
            EmbedderError: or one of its children.
        """
        ...


class VectorIndex(Protocol):
    """One Vectorize index: eventually consistent, a write is found after seconds to minutes."""

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """Write 1 to 1,000 vectors, replacing those of the same id.

        Returns:
            The id of the mutation. The index processes mutations in the order in which it
            accepted them.

        Raises:
            VectorIndexError: or one of its children; then nothing was written.
        """
        ...

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete by id, in calls of at most 100; unknown ids are no error.

        Returns:
            The id of each call's mutation.

        Raises:
            VectorIndexError: or one of its children; some or none were deleted, and deleting all
                of them again is safe.
        """
        ...

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """The nearest to the *first* vector of `vectors` that meet the conditions, best first.

        Args:
            vectors: holds the query in its first row.
            top_k: 1 to 100.
            conditions: a Vectorize filter, or empty for none; keys need a metadata index made
                before the write.

        Raises:
            VectorIndexError: or one of its children.
        """
        ...

    async def describe(self) -> IndexState:
        """Which mutation the index has processed last, and how many vectors it holds.

        Raises:
            VectorIndexError: or one of its children.
        """
        ...


@dataclass(frozen=True)
class Statement:
    """One SQL statement with its parameters, bound to `?1`, `?2`, ... in order."""

    sql: str
    parameters: tuple[Parameter, ...] = ()


class Database(Protocol):
    """D1: SQLite over the network, whose only transaction is a batch."""

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run the statements in order, in one transaction and one round trip.

        Returns:
            The rows of each statement, in order; empty where it returns none.

        Raises:
            DatabaseError: nothing was written; or the answer was lost, which over 50 MB it always
                is.
        """
        ...


class JobQueue(Protocol):
    """The queue of embedding jobs: at least once, in no order."""

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """Send messages as JSON, in calls of at most 100.

        Args:
            messages: each at most 128,000 bytes.
            delay_seconds: until they are delivered, 0 to 86,400.

        Raises:
            QueueError: some or none were taken; sending all of them again is safe.
        """
        ...


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The time now, in UTC, with its time zone."""
        ...


@dataclass(frozen=True)
class Platform:
    """Everything the core is given, made once per invocation at the edge.

    Attributes:
        indexes: Vectorize indexes by the name of their binding.
        auth_database: where Better Auth keeps its tables; often the same as `database`.
    """

    embedder: Embedder
    indexes: Mapping[str, VectorIndex]
    database: Database
    auth_database: Database
    queue: JobQueue
    clock: Clock
