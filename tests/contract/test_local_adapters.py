"""The contract suites over the adapters of this machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from local.adapters.local_platform import local_platform
from local.adapters.vector_ports import listed_row
from local.ai.embedding_spaces import StandInEncoder
from local.ai.local_workers_ai import LONG_CONTEXT_MODELS
from local.ai.sentence_model import SentenceModel
from tests.contract.cases import case_names, names_of_tests, run_test
from tests.contract.clock_suite import ClockSuite
from tests.contract.database_suite import DatabaseSuite
from tests.contract.embedder_suite import EmbedderSuite
from tests.contract.queue_suite import QueueSuite, verdicts_of
from tests.contract.vector_index_suite import MODEL, VectorIndexSuite
from tests.demonstration import app
from tests.stage.between import Between
from tests.stage.faults import FailingDatabase
from tests.stage.watched import WatchedDatabase, WatchedEmbedder, WatchedIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.ports import Clock, Database, Embedder, JobQueue, VectorIndex, Vectors
    from local.ai.embedding_spaces import TextEncoder
    from tests.contract.cases import Suite


class LocalClock(ClockSuite):
    """The clock that a test moves."""

    def __init__(self) -> None:
        self._clock = local_platform(app).clock

    def clock(self) -> Clock:
        """The platform's clock."""
        return self._clock

    async def elapse(self) -> None:
        """Move it."""
        self._clock.advance(1)


class LocalDatabase(DatabaseSuite):
    """SQLite in memory."""

    def __init__(self) -> None:
        self._database = local_platform(app).database

    def database(self) -> Database:
        """The platform's database."""
        return self._database


class WordsEmbedder(EmbedderSuite):
    """The local Workers AI over the encoder that counts words."""

    def __init__(self) -> None:
        self._embedder = local_platform(app, encoder=self.encoder()).embedder

    def encoder(self) -> TextEncoder | None:
        """The platform's default."""
        return None

    def embedder(self) -> Embedder:
        """The platform's embedder."""
        return self._embedder

    def numbers(self, vectors: Vectors, position: int) -> Sequence[float]:
        """The list that was answered."""
        return listed_row(vectors, position)


class SentencesEmbedder(WordsEmbedder):
    """The local Workers AI over the sentence model."""

    def encoder(self) -> TextEncoder | None:
        """The sentence model, which takes a moment to load."""
        return _sentence_encoder()


class LocalQueue(QueueSuite):
    """The queue in memory."""

    def __init__(self) -> None:
        platform = local_platform(app)
        self._queue, self._clock = platform.queue, platform.clock
        self._deliveries: list[Delivery] = []

    def queue(self) -> JobQueue:
        """The platform's queue."""
        return self._queue

    async def deliveries(self) -> Sequence[Delivery]:
        """Deliver what is due a second later."""
        self._clock.advance(1)
        await self._queue.drain(self._consume)
        return self._deliveries

    async def _consume(self, batch: Sequence[Delivery]) -> RetryDelays:
        self._deliveries += batch
        return verdicts_of(batch)


class LocalIndex(VectorIndexSuite):
    """The local Vectorize, whose writes are seen after three seconds."""

    def __init__(self) -> None:
        self._platform = local_platform(app, visibility_seconds=3)

    def index(self) -> VectorIndex:
        """The platform's index of the model's dimension."""
        return self._platform.indexes[MODEL.index_binding]

    def embedder(self) -> Embedder:
        """The platform's embedder."""
        return self._platform.embedder

    async def elapse(self) -> None:
        """Move the clock on."""
        self._platform.clock.advance(1)


class WatchedSqlite(LocalDatabase):
    """The database of the tests that count calls."""

    def database(self) -> Database:
        """The platform's database, watched."""
        return WatchedDatabase(self._database)


class FailingSqlite(LocalDatabase):
    """The database of the tests in which a call fails, while none does."""

    def database(self) -> Database:
        """The platform's database, with no call that fails."""
        return FailingDatabase(self._database)


class InterruptedSqlite(LocalDatabase):
    """The database of the tests in which two callers meet, while nobody else calls."""

    def database(self) -> Database:
        """The platform's database, behind whose calls nothing happens."""
        return Between(self._database, "no statement says this", self.elapse)

    async def elapse(self) -> None:
        """Do nothing."""


class WatchedWords(WordsEmbedder):
    """The embedder of the tests that look at what is embedded."""

    def embedder(self) -> Embedder:
        """The platform's embedder, watched."""
        return WatchedEmbedder(self._embedder)


class WatchedVectorize(LocalIndex):
    """The index of the tests in which queries fail."""

    def index(self) -> VectorIndex:
        """The platform's index, watched."""
        return WatchedIndex(super().index())


IMPLEMENTATIONS: Final[Sequence[type[Suite]]] = (
    LocalClock,
    LocalDatabase,
    WordsEmbedder,
    SentencesEmbedder,
    LocalQueue,
    LocalIndex,
    WatchedSqlite,
    FailingSqlite,
    InterruptedSqlite,
    WatchedWords,
    WatchedVectorize,
)


@pytest.mark.parametrize(
    ("implementation", "test"),
    [
        pytest.param(kind, test, id=f"{kind.__name__}.{test}")
        for kind in IMPLEMENTATIONS
        for test in names_of_tests(kind)
    ],
)
async def test_a_local_adapter_keeps_the_contract(implementation: type[Suite], test: str) -> None:
    """One promise of a port, on this machine."""
    await run_test(implementation, test)


def test_every_suite_is_run() -> None:
    """No port is without a local adapter that is tested."""
    assert case_names(IMPLEMENTATIONS) == case_names()


@cache
def _sentence_encoder() -> TextEncoder:
    return StandInEncoder(SentenceModel.load(), LONG_CONTEXT_MODELS)
