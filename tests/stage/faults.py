"""Ports that fail or stop on a test's request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cognate.errors import DatabaseError
from cognate.ports import Platform

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from cognate.ports import (
        Database,
        IndexMatch,
        IndexState,
        Row,
        Statement,
        VectorEntry,
        VectorIndex,
        Vectors,
    )

Result = TypeVar("Result")


@dataclass
class FailingDatabase:
    """A database that fails some calls.

    Attributes:
        refused: numbers of the calls, from 1, that fail and write nothing.
        unheard: numbers of the calls that write, and whose answer is lost.
    """

    inner: Database
    refused: frozenset[int] = frozenset()
    unheard: frozenset[int] = frozenset()
    batches: int = 0

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.batches += 1
        if self.batches in self.refused:
            message = "D1_ERROR: out of reach"
            raise DatabaseError(message)
        answers = await self.inner.batch(statements)
        if self.batches in self.unheard:
            message = "D1_ERROR: connection lost"
            raise DatabaseError(message)
        return answers


@dataclass
class Worker(Generic[Result]):
    """A task that stops before each of its calls of D1 and of the indexes.

    Calls that nobody else could see, such as those of the embedder, are not stops.
    """

    platform: Platform
    work: Callable[[Platform], Awaitable[Result]]
    is_killed: bool = False
    _at_stop: asyncio.Event = field(default_factory=asyncio.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[Result] | None = None

    async def step(self) -> bool:
        """Let it make its next call and stop before the one after; False if it was done."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
            await self._until_stopped()
        if self._task.done():
            return False
        self._at_stop.clear()
        self._go.set()
        await self._until_stopped()
        return True

    async def kill(self) -> None:
        """Cancel it where it stands, unless it is done."""
        if self._task is not None and self._task.done():
            return
        self.is_killed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def finish(self) -> Result:
        """Let it run to its end, and return its result."""
        while await self.step():
            pass
        return self.result()

    def result(self) -> Result:
        """Return its result once it is done."""
        assert self._task is not None
        return self._task.result()

    async def _run(self) -> Result:
        platform = Platform(
            embedder=self.platform.embedder,
            indexes={
                name: _StoppingIndex(index, self._stop)
                for name, index in self.platform.indexes.items()
            },
            database=_StoppingDatabase(self.platform.database, self._stop),
            auth_database=self.platform.auth_database,
            queue=self.platform.queue,
            clock=self.platform.clock,
        )
        return await self.work(platform)

    async def _stop(self) -> None:
        self._go.clear()
        self._at_stop.set()
        await self._go.wait()

    async def _until_stopped(self) -> None:
        assert self._task is not None
        stopped = asyncio.ensure_future(self._at_stop.wait())
        await asyncio.wait([stopped, self._task], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


@dataclass
class _StoppingDatabase:
    inner: Database
    stop: Callable[[], Awaitable[None]]

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        await self.stop()
        return await self.inner.batch(statements)


@dataclass
class _StoppingIndex:
    inner: VectorIndex
    stop: Callable[[], Awaitable[None]]

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        await self.stop()
        return await self.inner.upsert(entries)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        await self.stop()
        return await self.inner.delete(ids)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        await self.stop()
        return await self.inner.query(vectors, top_k=top_k, conditions=conditions)

    async def describe(self) -> IndexState:
        await self.stop()
        return await self.inner.describe()
