"""What the tests of the core play on: the local platform, two organizations, and an inspection.

Records are written here as the records API writes them: the row, the record's revision and its job
in one batch, the message after it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.chunking import chunk
from cognate.collections import Collection, Collections
from cognate.consumer import consume
from cognate.definitions import Cognate, Embeddings, Record, Similarity, Table
from cognate.fingerprint import content_hash, fingerprint
from cognate.ids import vector_id, vector_key
from cognate.models import MODELS
from cognate.ports import FLOAT32_BYTES, Platform, Statement, StoredVectors
from cognate.principal import OrganizationId
from cognate.queueing import Wanted, announce, queue_statements, release_statement
from cognate.sweeper import sweep
from cognate.times import to_iso
from local.adapters import local_platform
from local.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ingest.batch import Verdicts
    from cognate.ingest.claim import Delivery
    from cognate.ports import Database, Row, Scalar
    from local.adapters import LocalPlatform
    from local.faults import FaultKind

ACME: Final = OrganizationId("org_acme")
GLOBEX: Final = OrganizationId("org_globex")
QUEUE: Final = "cognate-embeddings"
DEAD_LETTERS: Final = "cognate-embeddings-dlq"
RETENTION: Final = timedelta(days=30)
BASE: Final = MODELS["@cf/baai/bge-base-en-v1.5"]
FINAL: Final = ("done", "failed", "superseded")


class Claim(Record):
    """The migrations' `claims`."""

    content: str
    story_id: str | None = None


class Article(Record):
    """The migrations' `articles`."""

    title: str
    body: str
    section: str | None = None
    year: int | None = None


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
COLLECTIONS: Final = Collections(SCHEMA)
CLAIMS: Final = COLLECTIONS["claims"]
ARTICLES: Final = COLLECTIONS["articles"]


def long_text(chunks: int, word: str = "word") -> str:
    """A text that is cut into so many chunks."""
    text = ""
    number = 0
    while len(chunk(text, BASE.max_tokens)) < chunks:
        sentences = (f"The {word} number {number + place} is here." for place in range(10))
        text += " ".join(sentences) + " "
        number += 10
    return text


class Stage:
    """One platform for all organizations.

    Attributes:
        local: the platform below, whose faults and counts the tests use.
        platform: what the core is given; a test may put something in between.
    """

    def __init__(self, app: Cognate = SCHEMA, *, visibility_seconds: float = 0.0) -> None:
        self.app = app
        self.collections = Collections(app)
        self.local: LocalPlatform = local_platform(app, visibility_seconds=visibility_seconds)
        self.platform: Platform = self.local
        self.organizations: list[str] = []

    # What happens to records

    async def write(
        self, organization_id: str, record_id: str, content: str, story_id: str | None = None
    ) -> str:
        """Create or change a claim; answers the id of its job."""
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
        """Create or change a record of a table; answers the id of its job."""
        names = ["organization_id", "id", *fields]
        marks = ", ".join(f"?{number}" for number in range(1, len(names) + 1))
        changes = ", ".join(f"{name} = excluded.{name}" for name in fields)
        upsert = Statement(
            f"INSERT INTO {collection.sql_table} ({', '.join(names)}) VALUES ({marks}) "  # noqa: S608 - names of the schema
            f"ON CONFLICT (organization_id, id) DO UPDATE SET {changes}",
            (organization_id, record_id, *fields.values()),
        )
        return await self._queued(collection, organization_id, record_id, upsert)

    async def delete(self, organization_id: str, record_id: str) -> str:
        """Delete a claim; answers the id of the job that removes its vectors."""
        delete = Statement(
            "DELETE FROM claims WHERE organization_id = ?1 AND id = ?2",
            (organization_id, record_id),
        )
        return await self._queued(CLAIMS, organization_id, record_id, delete)

    async def _queued(
        self, collection: Collection, organization_id: str, record_id: str, change: Statement
    ) -> str:
        now = self.local.clock.now()
        queue = queue_statements(
            collection,
            organization_id,
            [Wanted(record_id)],
            source="write",
            now=now,
            condition="TRUE",
        )
        *_, queued, released = await self.local.database.batch(
            [change, *queue, release_statement(organization_id, now)]
        )
        await announce(self.platform, released)
        return str(queued[0]["id"])

    # What happens in the queue

    async def consume(self, deliveries: Sequence[Delivery]) -> Verdicts:
        """Handle one batch as the Worker does."""
        return await consume(self.platform, self.app, QUEUE, deliveries)

    async def deliver(self) -> Verdicts:
        """Deliver one batch of what is due."""
        verdicts = await self.consume(self.local.queue.take())
        self.local.queue.settle(verdicts)
        return verdicts

    async def drain(self) -> None:
        """Deliver until nothing is due at this time."""
        await self.local.queue.drain(self.consume)

    async def sweep(self) -> None:
        """Run the sweeper once."""
        await sweep(self.platform, RETENTION)

    async def settle(self) -> None:
        """Without any faults, let time pass until every job is final."""
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
        """Put a database in between."""
        self.platform = Platform(
            embedder=self.local.embedder,
            indexes=self.local.indexes,
            database=database,
            auth_database=database,
            queue=self.local.queue,
            clock=self.local.clock,
        )

    def calls(self, name: str) -> int:
        """Calls of a binding so far, such as `AI.run`."""
        return self.local.bindings.counts.calls[name]

    # What is there

    async def rows(self, sql: str, *parameters: str) -> list[Row]:
        """The rows of one statement."""
        [found] = await self.local.database.batch([Statement(sql, parameters)])
        return found

    async def job(self, job_id: str) -> Row:
        """One job."""
        [found] = await self.rows("SELECT * FROM cognate_jobs WHERE id = ?1", job_id)
        return found

    async def status(self, job_id: str) -> str:
        """The status of one job."""
        return str((await self.job(job_id))["status"])

    async def jobs(self) -> list[str]:
        """The status of every job, the oldest first."""
        found = await self.rows("SELECT status FROM cognate_jobs ORDER BY id")
        return [row["status"] for row in found]

    async def unfinished(self) -> list[Row]:
        """Jobs that are queued or running."""
        return await self.rows(
            "SELECT * FROM cognate_jobs WHERE status NOT IN ('done', 'failed', 'superseded')"
        )

    async def state(self, organization_id: str, record_id: str, scope: str = "claims") -> Row:
        """What is known of the vectors of a record."""
        [found] = await self.rows(
            "SELECT * FROM cognate_embeddings WHERE organization_id = ?1 AND record_id = ?2 "
            "AND scope = ?3",
            organization_id,
            record_id,
            scope,
        )
        return found

    def indexed(self, collection: Collection = CLAIMS) -> dict[str, dict[str, Any]]:
        """The metadata of every vector of the collection's index, by id."""
        index = self.local.bindings.indexes[collection.model.index_binding]
        return {entry.id: dict(entry.metadata or {}) for entry in index.entries()}

    def vector_ids(self, organization_id: str, record_id: str) -> list[str]:
        """The ids of the indexed vectors of a claim."""
        key = vector_key(organization_id, "claims", record_id)
        return sorted(found for found in self.indexed() if found.startswith(key))

    async def discrepancies(self) -> list[str]:
        """Where the indexes and the stored vectors are not what the records say; none if all is well.

        A record whose last word is a failed job is named, and may have the vectors it had before.
        """
        found = [f"job {row['id']} is {row['status']}" for row in await self.unfinished()]
        for collection in self.collections.all():
            found += await self._discrepancies_of(collection)
        return found

    async def _discrepancies_of(self, collection: Collection) -> list[str]:
        records = await self.rows(
            f"SELECT *, hex({collection.embedding_column}) AS vectors "  # noqa: S608 - names of the schema
            f"FROM {collection.sql_table}"
        )
        if collection.table_name is None:
            keep = await self.rows(
                "SELECT record_id FROM cognate_embeddings WHERE scope = ?1", collection.scope
            )
            ids = {row["record_id"] for row in keep}
            records = [row for row in records if row["id"] in ids]
        named = await self._failed(collection.scope)
        found: list[str] = []
        expected: set[str] = set()
        for row in records:
            key = vector_key(row["organization_id"], collection.scope, row["id"])
            if (row["organization_id"], row["id"]) in named:
                expected |= {entry for entry in self.indexed(collection) if entry.startswith(key)}
                continue
            found += await self._discrepancies_of_record(collection, row, key)
            text = collection.text_of(row)
            parts = chunk(text, collection.model.max_tokens) if text.strip() else []
            expected |= {vector_id(key, number) for number in range(len(parts))}
        there = {
            entry
            for entry, metadata in self.indexed(collection).items()
            if metadata["table"] == collection.scope
        }
        found += [f"{collection.scope}: orphan vector {entry}" for entry in there - expected]
        found += [f"{collection.scope}: missing vector {entry}" for entry in expected - there]
        return found

    async def _failed(self, scope: str) -> set[tuple[str, str]]:
        """Records of which the newest job failed."""
        rows = await self.rows(
            "SELECT organization_id, record_id, status FROM cognate_jobs WHERE scope = ?1 "
            "AND status <> 'superseded' ORDER BY completed_at, id",
            scope,
        )
        last = {(row["organization_id"], row["record_id"]): row["status"] for row in rows}
        return {record for record, status in last.items() if status == "failed"}

    async def _discrepancies_of_record(
        self, collection: Collection, row: Row, key: str
    ) -> list[str]:
        name = f"{collection.scope} {row['organization_id']}/{row['id']}"
        text, model = collection.text_of(row), collection.model
        stored = bytes.fromhex(row["vectors"])
        parts = chunk(text, model.max_tokens) if text.strip() else []
        if not parts:
            return [f"{name}: vectors of an empty text"] if stored else []
        answer = await self.local.embedder.embed(
            model, [text[part.start : part.end] for part in parts]
        )
        right = answer.float32()
        found = [] if stored == right else [f"{name}: other vectors in D1"]
        [state] = await self.rows("SELECT * FROM cognate_embeddings WHERE vector_key = ?1", key)
        known = (state["content_hash"], state["fingerprint"], json.loads(state["chunks"]))
        if known != (
            content_hash(text, model),
            fingerprint(model),
            [[part.start, part.end] for part in parts],
        ):
            found.append(f"{name}: another state")
        if state["max_chunks"] < len(parts):
            found.append(f"{name}: max_chunks is too low")
        index = self.local.bindings.indexes[model.index_binding]
        metadata = {
            **collection.metadata_of(row),
            "organizationId": row["organization_id"],
            "table": collection.scope,
        }
        size = model.dimensions * FLOAT32_BYTES
        for number in range(len(parts)):
            for entry in index.get_by_ids([vector_id(key, number)]):
                values = StoredVectors.of(entry["values"]).float32()
                if values != right[number * size : (number + 1) * size]:
                    found.append(f"{name}: another vector in the index for chunk {number}")
                if entry["metadata"] != metadata:
                    found.append(f"{name}: other metadata in the index for chunk {number}")
        return found


def at(stage: Stage, **ago: float) -> str:
    """A time before the stage's, as D1 holds it."""
    return to_iso(stage.local.clock.now() - timedelta(**ago))
