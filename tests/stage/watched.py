"""Ports that hand every call on, count it, and fail where a test says so.

Each passes its port's contract suite, as the adapter below it does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cognate.errors import DatabaseError
from cognate.ports import Statement
from tests.stage.forwarding import ForwardingIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cognate.errors import EmbedderError, VectorIndexError
    from cognate.models import EmbeddingModel
    from cognate.ports import (
        Database,
        Embedder,
        IndexMatch,
        IndexState,
        Row,
        VectorEntry,
        Vectors,
    )


def run_now(database: Database, sql: str, *parameters: str | float | None) -> list[Row]:
    """Run one statement on SQLite in this process, without an event loop."""
    call = database.batch([Statement(sql, parameters)])
    try:
        call.send(None)
    except StopIteration as done:
        rows: list[Row] = done.value[0]
        return rows
    raise AssertionError("SQLite in this process never waits")


@dataclass
class WatchedDatabase:
    """A database that counts its calls, and lets a test act between them or fail them.

    Attributes:
        before: called before each batch with its number, from 0.
        fails: numbers of the batches that fail.
        is_away: every batch fails.
        batches: the statements of each call so far.
    """

    inner: Database
    before: Callable[[int], object] | None = None
    fails: set[int] = field(default_factory=set)
    is_away: bool = False
    batches: list[list[str]] = field(default_factory=list)

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        number = len(self.batches)
        self.batches.append([statement.sql for statement in statements])
        if self.before is not None:
            self.before(number)
        if self.is_away or number in self.fails:
            raise DatabaseError("D1_ERROR: the secret detail of an outage")
        return await self.inner.batch(statements)

    def change(self, sql: str, *parameters: str | float | None) -> None:
        """Run one statement that is not counted."""
        run_now(self.inner, sql, *parameters)

    def insert(self, table: str, **values: str | float | bytes | None) -> None:
        """Insert a row; the call is not counted."""
        marks = [
            f"unhex(?{number})" if isinstance(value, bytes) else f"?{number}"
            for number, value in enumerate(values.values(), 1)
        ]
        self.change(
            f'INSERT INTO "{table}" ({", ".join(values)}) VALUES ({", ".join(marks)})',  # noqa: S608 - names of tests
            *(value.hex() if isinstance(value, bytes) else value for value in values.values()),
        )

    def contents(self) -> dict[str, list[Row]]:
        """Read the rows of every table; the calls are not counted."""
        tables = run_now(self.inner, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            row["name"]: run_now(self.inner, f'SELECT * FROM "{row["name"]}"')  # noqa: S608 - a table that is there
            for row in tables
        }


@dataclass
class WatchedEmbedder:
    """An embedder that keeps the texts that it embedded, and fails while `error` is set.

    Attributes:
        calls: how often it was called.
        is_waited_for: every call must be urgent, because somebody waits for its answer.
    """

    inner: Embedder
    error: EmbedderError | None = None
    is_waited_for: bool = False
    texts: list[str] = field(default_factory=list)
    calls: int = 0

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        assert urgent or not self.is_waited_for, "somebody waits"
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.texts.extend(texts)
        return await self.inner.embed(model, texts, urgent=urgent)


@dataclass
class WatchedIndex(ForwardingIndex):
    """An index that counts its calls, and fails each of them while `error` is set."""

    error: VectorIndexError | None = None
    calls: int = 0

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        self._count()
        return await super().upsert(entries)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        self._count()
        return await super().delete(ids)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        self._count()
        return await super().query(vectors, top_k=top_k, conditions=conditions)

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        self._count()
        return await super().describe()

    def _count(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
