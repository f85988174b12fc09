"""The composition root for tests and tools: everything the core needs, in one process."""

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
    """`cognate.ports.Platform` whose parts show their local side.

    Attributes:
        bindings: Workers AI and Vectorize below the ports: `faults` makes calls fail, `counts`
            counts them, `indexes` sets `visibility_seconds` and sweeps what is stored.
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
    """A platform with nothing in it, forgotten with its last reference.

    Args:
        app: whose Vectorize indexes there are.
        database: with its tables; one in memory with the project's migrations when None. It is
            the database of Better Auth too.
        encoder: a cheap one that knows words and no meaning when None; with the sentence model
            it is `StandInEncoder(SentenceModel.load(), LONG_CONTEXT_MODELS)`.
        clock: the time of all parts; one that stands still until it is moved.
        visibility_seconds: until a write to an index is seen by queries, on that clock.
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
