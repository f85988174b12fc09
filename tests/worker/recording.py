"""Ports that write down in the log what a consumer did with them, and a queue that fails on demand.

A log survives the death of the runtime, so what a killed handler did is still known.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.embed import checked
from cognate.errors import CognateError, QueueError, UnusableEmbeddings
from cognate.ids import vector_key
from cognate.ports import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import (
        Database,
        Embedder,
        IndexMatch,
        IndexState,
        JobQueue,
        Platform,
        Row,
        VectorEntry,
        VectorIndex,
        Vectors,
    )

STORES_VECTORS: Final = "UPDATE cognate_embeddings SET content_hash"
"""Opens the statement after which a job's result cannot be lost any more."""

REMOVES_STATE: Final = "DELETE FROM cognate_embeddings"
"""Opens the statement after which nothing of a deleted record is left to do."""

FAILING_SENDS: Final[dict[tuple[str, str], int]] = {}
"""Organization and type of message (or `any`) to the number of sends that are still to fail."""


def digest(text: str) -> str:
    """What the log may say of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Invocation:
    """One invocation of the Worker, whose lines in the log carry its number."""

    number: str

    def record(self, event: str, **fields: object) -> None:
        """Write one line."""
        line = {"event": f"test.{event}", "invocation": self.number, **fields}
        print(json.dumps(line, separators=(",", ":")))  # noqa: T201 - the log


def recorded(platform: Platform, number: str) -> Platform:
    """The platform, with every port that a consumer uses written down."""
    invocation = Invocation(number)
    return replace(
        platform,
        embedder=RecordedEmbedder(platform.embedder, invocation),
        indexes={
            name: RecordedIndex(index, invocation) for name, index in platform.indexes.items()
        },
        database=RecordedDatabase(platform.database, invocation),
        queue=FailingQueue(platform.queue, platform.database, invocation),
    )


@dataclass(frozen=True)
class RecordedEmbedder:
    """`ports.Embedder`; a search's own call is not recorded."""

    inner: Embedder
    invocation: Invocation

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        outcome = "failed"
        try:
            answer = await self.inner.embed(model, texts, urgent=urgent)
            try:
                checked(answer, count=len(texts), model=model)
                outcome = "usable"
            except UnusableEmbeddings:
                outcome = "unusable"
        finally:
            if not urgent:
                digests = [digest(text) for text in texts]
                self.invocation.record("embedded", texts=digests, outcome=outcome)
        return answer


@dataclass(frozen=True)
class RecordedIndex:
    """`ports.VectorIndex`."""

    inner: VectorIndex
    invocation: Invocation

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        self.invocation.record("upserts", ids=[entry.id for entry in entries])
        return await self.inner.upsert(entries)

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        self.invocation.record("deletes", ids=list(ids))
        return await self.inner.delete(ids)

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        return await self.inner.query(vectors, top_k=top_k, conditions=conditions)

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        return await self.inner.describe()


@dataclass(frozen=True)
class RecordedDatabase:
    """`ports.Database`; only writes of results are recorded."""

    inner: Database
    invocation: Invocation

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        stored = sorted({key for statement in statements for key in _stored_keys(statement)})
        try:
            answers = await self.inner.batch(statements)
        except CognateError:
            if stored:
                self.invocation.record("stored", outcome="failed", keys=stored)
            raise
        if stored:
            self.invocation.record("stored", outcome="done", keys=stored)
        return answers


def _stored_keys(statement: Statement) -> list[str]:
    """The keys of the records whose state a statement stores or removes."""
    sql = " ".join(statement.sql.split())
    if sql.startswith(REMOVES_STATE):
        return [row["key"] for row in json.loads(str(statement.parameters[0]))]
    if sql.startswith(STORES_VECTORS):
        return [
            vector_key(row["organization"], row["scope"], row["record"])
            for row in json.loads(str(statement.parameters[0]))
        ]
    return []


@dataclass(frozen=True)
class FailingQueue:
    """`ports.JobQueue`; it loses messages of organizations that are in `FAILING_SENDS`."""

    inner: JobQueue
    database: Database
    invocation: Invocation

    async def send(self, messages: Sequence[Mapping[str, Any]], *, delay_seconds: int = 0) -> None:
        """See `ports.JobQueue.send`."""
        failing = [await self._failing(message) if FAILING_SENDS else None for message in messages]
        taken = [message for message, key in zip(messages, failing, strict=True) if key is None]
        if taken:
            await self.inner.send(taken, delay_seconds=delay_seconds)
        keys = {key for key in failing if key is not None}
        for key in keys:
            FAILING_SENDS[key] -= 1
            self.invocation.record("send_failed", organization=key[0])
        if keys:
            raise QueueError("a failing send was asked for")

    async def _failing(self, message: Mapping[str, Any]) -> tuple[str, str] | None:
        owner = await self._owner(message)
        keys = [(owner, "any"), (owner, message["type"])]
        return next((key for key in keys if FAILING_SENDS.get(key, 0) > 0), None)

    async def _owner(self, message: Mapping[str, Any]) -> str:
        """The organization that a message is for: a step of a backfill names its row only."""
        if "organizationId" in message:
            return str(message["organizationId"])
        sql = "SELECT organization_id FROM cognate_backfills WHERE id = ?1"
        [rows] = await self.database.batch([Statement(sql, (message["backfillId"],))])
        return str(rows[0]["organization_id"]) if rows else ""
