"""The composition root for tests and tools: all ports of the core in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.ports import Platform
from local.adapters.in_memory_queue import InMemoryQueue
from local.adapters.manual_clock import ManualClock
from local.adapters.sqlite_database import SqliteDatabase
from local.adapters.vector_ports import LocalEmbedder, LocalVectorIndex
from local.ai.embedding_spaces import StandInEncoder
from local.ai.local_workers_ai import LONG_CONTEXT_MODELS, LocalWorkersAI
from local.ai.word_encoder import WordEncoder
from local.bindings.calls import Bindings
from local.vectorize.index_config import IndexConfig
from local.vectorize.local_vectorize import LocalVectorize
from local.vectorize.store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.schema import Cognate
    from local.ai.embedding_spaces import TextEncoder


@dataclass(frozen=True)
class LocalPlatform(Platform):
    """`cognate.ports.Platform` with the local adapters.

    Attributes:
        bindings: Workers AI and Vectorize below the ports. A test orders `faults`, reads `counts`,
            and sets `visibility_seconds` of the `indexes`.
    """

    embedder: LocalEmbedder
    indexes: Mapping[str, LocalVectorIndex]
    database: SqliteDatabase
    auth_database: SqliteDatabase
    queue: InMemoryQueue
    clock: ManualClock
    bindings: Bindings


def local_platform(
    app: Cognate,
    *,
    database: SqliteDatabase | None = None,
    encoder: TextEncoder | None = None,
    clock: ManualClock | None = None,
    visibility_seconds: float = 0.0,
) -> LocalPlatform:
    """An empty platform, by default in memory.

    Args:
        app: the schema. It names the Vectorize indexes.
        database: has the records and Better Auth's tables. None: a database in memory with the
            migrations of the checkout.
        encoder: None: a cheap one that knows words and no meaning. The sentence model is
            `StandInEncoder(SentenceModel.load(), LONG_CONTEXT_MODELS)`.
        clock: the clock of all parts. None: a clock that stands still until it is moved.
        visibility_seconds: the delay until queries see a write to an index.
    """
    clock = clock or ManualClock()
    database = database or SqliteDatabase.migrated()
    encoder = encoder or StandInEncoder(WordEncoder(), LONG_CONTEXT_MODELS)
    store = VectorStore()
    configs = [
        IndexConfig(index.binding, index.name, index.dimensions, dict(index.metadata_indexes))
        for index in app.vector_indexes()
    ]
    bindings = Bindings(
        LocalWorkersAI(encoder),
        [
            LocalVectorize(
                config, store, now=clock.timestamp, visibility_seconds=visibility_seconds
            )
            for config in configs
        ],
    )
    return LocalPlatform(
        embedder=LocalEmbedder(bindings),
        indexes={config.binding: LocalVectorIndex(bindings, config.binding) for config in configs},
        database=database,
        auth_database=database,
        queue=InMemoryQueue(clock),
        clock=clock,
        bindings=bindings,
    )
