"""The stage of the tests: the local platform, the demonstration's tables, and an inspection.

`PlatformStage` is the part that every stage has. `Stage` writes records by SQL; the stages of
`tests.stage.records` and `tests.stage.http` write them as a caller does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from cognate.chunking import chunk
from cognate.consumer import consume
from cognate.embedding.index_progress import CLOCK_SKEW, follow_indexes
from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.errors import CognateError
from cognate.ids import vector_key
from cognate.jobs.conditions import JobCondition
from cognate.jobs.queue import Priority, announce
from cognate.models import MODELS
from cognate.ports import Platform, Statement, StoredVectors
from cognate.principal import OrganizationId
from cognate.schema import Cognate, Embeddings, Similarity, Table
from cognate.settings import Retention
from cognate.sweeper import sweep
from cognate.texts.post import TextToEmbed, enqueue
from local.adapters.local_platform import local_platform
from local.ai.embedding_spaces import StandInEncoder
from local.ai.local_workers_ai import LONG_CONTEXT_MODELS
from local.ai.word_encoder import WordEncoder
from local.bindings.faults import Fault
from local.vectorize.limits import MAX_IDS_PER_GET
from tests.demonstration import Article, Claim
from tests.inspection import discrepancies
from tests.stage.watched import run_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.jobs.messages import Delivery, RetryDelays
    from cognate.models import EmbeddingModel
    from cognate.ports import Database, Row, Scalar
    from cognate.schema.collections import Collection
    from local.adapters.local_platform import LocalPlatform
    from local.ai.embedding_spaces import TextEncoder
    from local.bindings.faults import FaultKind

ACME: Final = OrganizationId("org_acme")
GLOBEX: Final = OrganizationId("org_globex")
QUEUE: Final = "cognate-embeddings"
DEAD_LETTERS: Final = "cognate-embeddings-dlq"
RETENTION: Final = Retention()
BASE: Final = MODELS["@cf/baai/bge-base-en-v1.5"]
SPARSE_CHUNKS: Final = 60


claims = Table("claims", Claim, embeddings=Embeddings(fields=["content"], metadata=["story_id"]))
articles = Table(
    "articles",
    Article,
    embeddings=Embeddings(
        fields=["title", "body"],
        model="@cf/baai/bge-small-en-v1.5",
        separator="\n\n",
        metadata=["section", "year"],
    ),
)
claim_similarity = Similarity("claimSimilarity", claims)
SCHEMA: Final = Cognate(tables=[claims, articles], similarities=[claim_similarity])
small_claims = Table(
    "claims",
    Claim,
    embeddings=Embeddings(
        fields=["content"], model="@cf/baai/bge-small-en-v1.5", metadata=["story_id"]
    ),
)
OTHER_MODEL: Final = Cognate(
    tables=[small_claims, articles], similarities=[Similarity("claimSimilarity", small_claims)]
)
"""The same tables, but a model of another dimension embeds the claims."""
COLLECTIONS: Final = SCHEMA.collections
CLAIMS: Final = COLLECTIONS["claims"]
ARTICLES: Final = COLLECTIONS["articles"]


@cache
def long_text(chunks: int, word: str = "word") -> str:
    """Make a text that is cut into so many chunks, and that is short enough to be embedded."""
    text, number = "", 0
    # Each of these characters is a token, so that many chunks are few characters.
    dense = f" {'字' * 200}" if chunks > SPARSE_CHUNKS else ""
    while True:
        missing = chunks - len(chunk(text, BASE.max_tokens))
        if missing == 0:
            return text
        more = range(number, number + (1 if dense else 10) * missing)
        text += "".join(f"The {word} number {place} is here{dense}. " for place in more)
        number = more.stop


class PlatformStage:
    """One platform for all organizations.

    Attributes:
        encoder: computes the vectors of the local Workers AI.
        local: the platform below, whose faults and counts the tests use.
        platform: the ports that the core is given; a test may replace some of them.
    """

    def __init__(
        self,
        app: Cognate = SCHEMA,
        *,
        visibility_seconds: float = 0.0,
        encoder: TextEncoder | None = None,
    ) -> None:
        self.app = app
        self.collections = app.collections
        self.encoder = encoder or StandInEncoder(WordEncoder(), LONG_CONTEXT_MODELS)
        self.local: LocalPlatform = local_platform(
            app, encoder=self.encoder, visibility_seconds=visibility_seconds
        )
        self.platform: Platform = self.local

    # What happens in the queue

    async def consume(self, deliveries: Sequence[Delivery]) -> RetryDelays:
        """Handle one batch as the Worker does."""
        return await consume(self.platform, self.app, QUEUE, deliveries)

    async def deliver(self) -> RetryDelays:
        """Deliver one batch of what is due."""
        verdicts = await self.consume(self.local.queue.take())
        self.local.queue.settle(verdicts)
        return verdicts

    async def drain(self) -> None:
        """Deliver until nothing is due at this time."""
        await self.local.queue.drain(self.consume)

    async def sweep(self) -> None:
        """Run the sweeper once."""
        await sweep(self.platform, self.app, RETENTION)

    async def show(self) -> None:
        """Let time pass until every index shows what it accepted, and the core knows it."""
        for _ in range(3):
            self.local.clock.advance(CLOCK_SKEW.total_seconds() + 1)
            for index in self.local.bindings.indexes.values():
                index.settle()
            await follow_indexes(self.local)
        self.local.clock.advance(CLOCK_SKEW.total_seconds() + 1)

    async def settle(self) -> None:
        """End all faults, and let time pass until every job is final."""
        self.platform = self.local
        self.local.bindings.faults.clear()
        for _ in range(50):
            await self.drain()
            if dead := self.local.queue.dead_letters:
                await consume(self.platform, self.app, DEAD_LETTERS, dead)
                self.local.queue.dead_letters = []
            if not self.local.queue.waiting and not await self.unfinished():
                return
            self.local.clock.advance(1000)
            await self.sweep()
        message = f"these jobs never end: {await self.unfinished()}"
        raise AssertionError(message)

    # Faults

    def fault(  # noqa: PLR0913 - a fault has these parts
        self,
        method: str,
        kind: FaultKind = "error",
        message: str = "out of reach",
        *,
        binding: str | None = None,
        count: int = 1,
        match: str | None = None,
    ) -> None:
        """Let the next calls of `AI.run`, or of a method of the claims' index, fail."""
        binding = binding or ("AI" if method == "run" else CLAIMS.model.index_binding)
        self.local.bindings.faults.add(
            Fault(binding, method, kind, count=count, message=message, match=match)
        )

    def with_database(self, database: Database) -> None:
        """Give the core another database, which may hand on to the platform's own."""
        self.platform = Platform(
            embedder=self.local.embedder,
            indexes=self.local.indexes,
            database=database,
            auth_database=database,
            queue=self.local.queue,
            clock=self.local.clock,
        )

    def calls(self, name: str) -> int:
        """Count the calls of a binding so far, such as `AI.run`."""
        return self.local.bindings.counts.calls[name]

    # What is there

    def sql(self, sql: str, *parameters: str | float | None) -> list[Row]:
        """Run one statement, uncounted; safe while another one is awaited."""
        return run_now(self.local.database, sql, *parameters)

    async def rows(self, sql: str, *parameters: str) -> list[Row]:
        """Run one statement and return its rows."""
        [found] = await self.local.database.batch([Statement(sql, parameters)])
        return found

    async def job(self, job_id: str) -> Row:
        """Read one job."""
        [found] = await self.rows("SELECT * FROM cognate_jobs WHERE id = ?1", job_id)
        return found

    async def status(self, job_id: str) -> str:
        """Read the status of one job."""
        return str((await self.job(job_id))["status"])

    async def unfinished(self) -> list[Row]:
        """Read the jobs that are queued or running."""
        return await self.rows("SELECT * FROM cognate_jobs WHERE status IN ('queued', 'running')")

    async def state(self, organization_id: str, record_id: str, scope: str = "claims") -> Row:
        """Read the state row of a record."""
        [found] = await self.rows(
            "SELECT * FROM cognate_embeddings WHERE organization_id = ?1 AND record_id = ?2 "
            "AND scope = ?3",
            organization_id,
            record_id,
            scope,
        )
        return found

    def indexed(self, collection: Collection = CLAIMS) -> dict[str, dict[str, Any]]:
        """Map each vector id of the collection's index to its metadata."""
        index = self.local.bindings.indexes[collection.model.index_binding]
        return {entry.id: dict(entry.metadata or {}) for entry in index.entries()}

    def vector_ids(self, organization_id: str, record_id: str) -> list[str]:
        """List the ids of the indexed vectors of a claim."""
        key = vector_key(organization_id, "claims", record_id)
        return sorted(found for found in self.indexed() if found.startswith(key))

    async def discrepancies(self) -> list[str]:
        """List where indexes and stored vectors differ from the records; see `tests.inspection`."""
        return await discrepancies(self, self.collections)

    # What `tests.inspection` asks for

    async def embedded(self, model: EmbeddingModel, texts: Sequence[str]) -> bytes:
        """Embed these texts now."""
        return (await self.local.embedder.embed(model, texts)).float32()

    async def metadata(self, binding: str) -> dict[str, dict[str, Any]]:
        """Map each vector id of an index to its metadata."""
        entries = self.local.bindings.indexes[binding].entries()
        return {entry.id: dict(entry.metadata or {}) for entry in entries}

    async def values(self, binding: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Map the ids of vectors in an index to their components."""
        index = self.local.bindings.indexes[binding]
        return {
            entry["id"]: StoredVectors.of(entry["values"]).float32()
            for start in range(0, len(ids), MAX_IDS_PER_GET)
            for entry in index.get_by_ids(list(ids[start : start + MAX_IDS_PER_GET]))
        }


class Stage(PlatformStage):
    """Records that are written as the records API writes them, without its checks.

    One batch writes the row, the record's revision and its job; the message is sent after it.
    """

    async def write(
        self, organization_id: str, record_id: str, content: str, story_id: str | None = None
    ) -> str:
        """Create or change a claim, and return the id of its job."""
        return await self.put(
            CLAIMS, organization_id, record_id, content=content, story_id=story_id
        )

    async def write_many(self, organization_id: str, contents: dict[str, str]) -> None:
        """Create or change claims."""
        for record_id, content in contents.items():
            await self.write(organization_id, record_id, content)

    async def put(
        self, collection: Collection, organization_id: str, record_id: str, **fields: Scalar | None
    ) -> str:
        """Create or change a record of a table, and return the id of its job."""
        names = ["organization_id", "id", *(f'"{name}"' for name in fields)]
        marks = ", ".join(f"?{number}" for number in range(1, len(names) + 1))
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in fields)
        upsert = Statement(
            f'INSERT INTO "{collection.sql_table}" ({", ".join(names)}) VALUES ({marks}) '  # noqa: S608 - names of the schema
            f"ON CONFLICT (organization_id, id) DO UPDATE SET {changes}",
            (organization_id, record_id, *fields.values()),
        )
        return await self._queued(collection, organization_id, record_id, upsert)

    async def post(
        self, organization_id: OrganizationId, content: str, record_id: str | None = None
    ) -> str:
        """Post a text, for a claim or for none, and return the id of its job."""
        text = TextToEmbed(content, record_id and "claims", record_id)
        [result] = (await enqueue(self.platform, self.app, organization_id, [text])).results
        if isinstance(result, CognateError):
            raise result
        return result

    async def delete(self, organization_id: str, record_id: str) -> str:
        """Delete a claim, and return the id of the job that removes its vectors."""
        delete = Statement(
            "DELETE FROM claims WHERE organization_id = ?1 AND id = ?2",
            (organization_id, record_id),
        )
        return await self._queued(CLAIMS, organization_id, record_id, delete)

    async def _queued(
        self, collection: Collection, organization_id: str, record_id: str, change: Statement
    ) -> str:
        [jobs] = await self.request(
            collection, [EmbeddingRequest(record_id)], organization_id=organization_id, first=change
        )
        return jobs[record_id]

    async def request(  # noqa: PLR0913 - each says another thing
        self,
        collection: Collection,
        requests: Sequence[EmbeddingRequest],
        *,
        organization_id: str = ACME,
        source: str = "write",
        first: Statement | None = None,
        priority: Priority = Priority.WRITE,
        forced: bool = False,
        announces: bool = True,
    ) -> list[dict[str, str]]:
        """Ask for embeddings in one batch, after a first statement; answers job ids by record."""
        asked = EmbeddingRequests(organization_id, self.local.clock.now())
        asked.add(
            collection,
            requests,
            source=source,
            condition=JobCondition(),
            priority=priority,
            forced=forced,
        )
        before = [] if first is None else [first]
        answers = await self.local.database.batch([*before, *asked.statements])
        mine = answers[len(before) :]
        if announces:
            await announce(self.platform, asked.announced(mine))
        return asked.queued(mine)

    async def jobs(self) -> list[str]:
        """List the status of every job, the oldest first."""
        found = await self.rows("SELECT status FROM cognate_jobs ORDER BY id")
        return [row["status"] for row in found]
