"""A random story: records come and go while consumers overlap, fail, die and start again.

The story writes records as the API does and by SQL, posts texts for them, and changes the model.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, ClassVar, Final

from cognate.backfill.backfills import start_backfill
from cognate.backfill.needs import Selection
from cognate.consumer import consume
from cognate.errors import BackfillRunning, EmbedderError, NotFound, QueueError
from cognate.jobs.messages import Delivery
from cognate.search import search
from cognate.search.filters import parse_filter
from tests.oracle import Oracle
from tests.sql_author import SqlAuthor
from tests.stage.faults import FailingDatabase, Worker
from tests.stage.platform import (
    ACME,
    GLOBEX,
    OTHER_MODEL,
    QUEUE,
    SCHEMA,
    Stage,
    long_text,
)

if TYPE_CHECKING:
    from cognate.jobs.messages import RetryDelays
    from cognate.ports import Platform
    from cognate.principal import OrganizationId
    from cognate.schema import Cognate, Similarity

TEXTS: Final = (
    "A harbour in the morning.",
    "A railway over the mountains.",
    "The weather of tomorrow.",
    long_text(2, "harbour"),
    long_text(4, "railway"),
    " ",
)
POISON: Final = "This text is poison to the model."
AI_ERRORS: Final = (
    "3040: out of capacity",
    "3007: timeout",
    "4006: you have used up your daily free allocation",
    "5007: No such model",
    "1031: something else",
)
INDEX_ERRORS: Final = (
    "connection lost",
    "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests",
    "VECTOR_ERROR (code = 50000): something else",
)
MOST_DELIVERIES: Final = 21


class RandomStory:
    """A sequence of random moves from one seed."""

    REFUSED: ClassVar = 0.08
    UNHEARD: ClassVar = 0.05

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a story, no secret
        self.stage = Stage()
        self.workers: list[tuple[Worker[RetryDelays], list[Delivery]]] = []
        self.waiting: list[Delivery] = []
        self.log: list[str] = []
        self.disagreements: list[str] = []
        self.verdicts: Counter[str] = Counter()
        self.posted: dict[tuple[str, str], str] = {}
        self.organizations: list[OrganizationId] = [ACME, GLOBEX]
        self.records: list[str] = ["r1", "r2"]

    async def play(self, moves: int) -> list[str]:
        """Play the moves, end the faults, handle every message, and list what is wrong then."""
        self.local = self.stage.local
        choices = (
            (self.write, 30),
            (self.delete, 6),
            (self.start, 20),
            (self.step, 120),
            (self.kill, 4),
            (self.fail, 14),
            (self.pass_time, 6),
            (self.outage, 2),
            (self.lag, 3),
            (self.search, 12),
            (self.write_by_sql, 8),
            (self.post, 8),
            (self.backfill, 2),
            (self.change_model, 1),
        )
        for _ in range(moves):
            [move] = self.random.choices(
                [move for move, _ in choices], [weight for _, weight in choices]
            )
            await move()
            self.local.clock.advance(0.001)
        self.local.bindings.faults.clear()
        self.local.queue.outage = None
        for worker, deliveries in list(self.workers):
            await worker.finish()
            self.done(worker, deliveries)
        while self.waiting:
            self.take()
            again, self.waiting = self.waiting, []
            verdicts = await self.stage.consume(again)
            self.waiting = [
                self.again(item) for item in again if verdicts[item.message_id] is not None
            ]
        await self.stage.settle()
        await self.heal()
        for index in self.local.bindings.indexes.values():
            index.visibility_seconds = 0
            index.settle()
        return [
            *self.disagreements,
            *await self.stage.discrepancies(),
            *await self.lost_texts(),
        ]

    async def heal(self) -> None:
        """End the backfills, and start those that find what SQL wrote or another model embedded."""
        for _ in range(3):
            self.local.clock.advance(1000)
            await self.stage.sweep()
            await self.stage.settle()
        for selection in (Selection.MISSING, Selection.STALE):
            for organization_id in self.organizations:
                for scope in ("claims", "articles"):
                    await self._start_backfill(organization_id, scope, selection)
            await self.stage.settle()

    async def lost_texts(self) -> list[str]:
        """List the records whose posted text is not the one that counts."""
        rows = await self.stage.rows(
            "SELECT r.organization_id, r.id, s.posted_text FROM claims r "
            "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
            "AND s.scope = 'claims' AND s.record_id = r.id"
        )
        return [
            f"{row['organization_id']}/{row['id']}: posted {row['posted_text']!r}"
            for row in rows
            if row["posted_text"] != self.posted.get((row["organization_id"], row["id"]))
        ]

    def record(self) -> tuple[OrganizationId, str]:
        """Draw one of a few records; all organizations have the same ids."""
        return self.random.choice(self.organizations), self.random.choice(self.records)

    def text(self, _organization_id: str) -> str:
        """Draw the text of a record."""
        return self.random.choice([*TEXTS, *TEXTS, POISON])

    async def write(self) -> None:
        """Create or change a record."""
        organization_id, record_id = self.record()
        text = self.text(organization_id)
        story = self.random.choice(["one", "two", None])
        self.log.append(f"write {organization_id} {record_id} {text[:12]!r} {story}")
        await self.stage.write(organization_id, record_id, text, story)
        self.posted.pop((organization_id, record_id), None)

    async def delete(self) -> None:
        """Delete a record."""
        organization_id, record_id = self.record()
        self.log.append(f"delete {organization_id} {record_id}")
        await self.stage.delete(organization_id, record_id)
        self.posted.pop((organization_id, record_id), None)

    async def write_by_sql(self) -> None:
        """Write a record by SQL."""
        author = SqlAuthor(
            self.random, self.stage.rows, self.organizations, self.records, self.text
        )
        write = await author.act()
        self.log.append(f"sql {write}")
        if write.ends_posted_text:
            self.posted.pop((write.organization_id, write.record_id), None)

    async def post(self) -> None:
        """Post a text for a record, if there is that record."""
        organization_id, record_id = self.record()
        text = self.random.choice([text for text in TEXTS if text.strip()])
        self.log.append(f"post {organization_id} {record_id} {text[:12]!r}")
        try:
            await self.stage.post(organization_id, text, record_id)
        except NotFound:
            return
        self.posted[organization_id, record_id] = text

    async def backfill(self) -> None:
        """Start a backfill of the claims, unless one is running."""
        organization_id, _ = self.record()
        selection = self.random.choice(list(Selection))
        self.log.append(f"backfill {organization_id} {selection}")
        with suppress(BackfillRunning):
            await self._start_backfill(organization_id, "claims", selection)

    async def change_model(self) -> None:
        """Change the model of the claims; consumers that are at work keep the old schema."""
        self.log.append("model")
        self.use(OTHER_MODEL if self.stage.app is SCHEMA else SCHEMA)

    def use(self, app: Cognate) -> None:
        """Deploy a schema."""
        self.stage.app, self.stage.collections = app, app.collections

    async def _start_backfill(
        self, organization_id: OrganizationId, scope: str, selection: Selection
    ) -> None:
        await start_backfill(
            self.stage.platform,
            organization_id,
            self.stage.collections[scope],
            selection,
            None,
        )

    async def start(self) -> None:
        """Give a consumer a batch, perhaps with a message twice."""
        self.take()
        if not self.waiting or len(self.workers) > 3:
            return
        self.random.shuffle(self.waiting)
        size = self.random.randint(1, 4)
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        if self.random.random() < 0.1:
            self.waiting.append(batch[0])
        database = FailingDatabase(
            self.local.database,
            refused=frozenset(n for n in range(1, 5) if self.random.random() < self.REFUSED),
            unheard=frozenset(n for n in range(1, 5) if self.random.random() < self.UNHEARD),
        )
        self.stage.with_database(database)

        app = self.stage.app

        async def work(platform: Platform) -> RetryDelays:
            return await consume(platform, app, QUEUE, batch)

        worker = Worker(self.stage.platform, work)
        self.stage.platform = self.local
        sent = [str(item.body)[-30:] for item in batch]
        self.log.append(f"start {sent} {set(database.refused)} {set(database.unheard)}")
        self.workers.append((worker, batch))

    async def step(self) -> None:
        """Let one consumer make its next call."""
        if self.workers:
            worker, deliveries = self.random.choice(self.workers)
            self.log.append(f"step {self.workers.index((worker, deliveries))}")
            if not await worker.step():
                self.done(worker, deliveries)

    async def kill(self) -> None:
        """Kill one consumer."""
        if self.workers:
            worker, deliveries = self.random.choice(self.workers)
            self.log.append(f"kill {self.workers.index((worker, deliveries))}")
            await worker.kill()
            self.done(worker, deliveries)

    async def fail(self) -> None:
        """Make a coming call of the model or of the index fail."""
        match self.random.randrange(6):
            case 0 | 1:
                self.stage.fault("run", message=self.random.choice(AI_ERRORS))
            case 2:
                self.stage.fault("run", self.random.choice(["short", "dimension", "empty"]))
            case 3:
                method = self.random.choice(["upsert", "deleteByIds"])
                self.stage.fault(method, "after", self.random.choice(INDEX_ERRORS))
            case _:
                method = self.random.choice(["upsert", "deleteByIds"])
                self.stage.fault(method, message=self.random.choice(INDEX_ERRORS))
        self.stage.fault("run", message="5006: invalid", match=POISON, count=3)

    async def outage(self) -> None:
        """Begin or end an outage of the queue."""
        down = self.local.queue.outage is None
        self.local.queue.outage = QueueError("out of reach") if down else None
        self.log.append("queue")

    async def lag(self) -> None:
        """Change how long an index takes to show a write: up to ten minutes."""
        seconds = self.random.choice([0, 0, 5, 60, 600])
        self.log.append(f"lag {seconds}")
        for index in self.local.bindings.indexes.values():
            index.visibility_seconds = seconds

    async def search(self) -> None:
        """Search: the verdict must be that of a full comparison, or the answer is degraded."""
        similarity, organization_id, where = self.service(), self.searcher(), {}
        words = self.random.choice([*TEXTS[:3], "A harbour on the morning of tomorrow."])
        text = self.wording(organization_id, words)
        story = self.random.choice(["one", "two", None, None])
        if story is not None:
            where = {"storyId": story}
        collection = self.stage.collections[similarity.table.name]
        oracle = Oracle(self.stage, self.stage.encoder, collection)
        conditions = parse_filter(where, collection.filter_fields)
        expected, is_close = await oracle.verdict(
            organization_id, text, conditions, similarity.thresholds
        )
        try:
            found = await search(
                self.stage.local, organization_id, similarity, text=text, filter=where
            )
        except EmbedderError:
            self.verdicts["refused"] += 1
            return
        self.verdicts[found.degraded or expected] += 1
        self.log.append(f"search {organization_id} {text[:12]!r} {story}: {found.verdict}")
        if found.degraded is None and found.verdict is not expected and not is_close:
            self.disagreements.append(f"{self.log[-1]}, and a full comparison says {expected}")

    def service(self) -> Similarity:
        """Return the service of the deployed schema."""
        return self.stage.app.similarity("claimSimilarity")

    def wording(self, organization_id: str, words: str) -> str:
        """Say this in the words of the organization's records; here they are the same for all."""
        del organization_id
        return words

    def searcher(self) -> OrganizationId:
        """Draw the organization that searches."""
        return self.random.choice(self.organizations)

    async def pass_time(self) -> None:
        """Let minutes go by, and run the sweeper."""
        self.log.append("time")
        self.local.clock.advance(self.random.choice([10, 400, 1000]))
        await self.stage.sweep()

    def take(self) -> None:
        """Take the messages that were sent."""
        self.waiting += self.local.queue.take()
        self.local.queue.settle({})

    def again(self, item: Delivery) -> Delivery:
        """Return the same message as its next delivery."""
        return Delivery(item.message_id, item.body, item.attempts + 1)

    def done(self, worker: Worker[RetryDelays], deliveries: list[Delivery]) -> None:
        """End a consumer: what it did not acknowledge comes back."""
        self.workers.remove((worker, deliveries))
        verdicts = None if worker.is_killed else worker.result()
        self.waiting += [
            self.again(item)
            for item in deliveries
            if verdicts is None or verdicts[item.message_id] is not None
        ]
