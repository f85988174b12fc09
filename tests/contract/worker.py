"""The Worker that runs the contract suites over its bindings.

`GET /cases` lists the tests, `POST /cases/{name}` runs one and answers its traceback or nothing.
"""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from js import Response
from workers import WorkerEntrypoint, python_to_rpc

from cognate.cloudflare.client import environment
from cognate.cloudflare.platform import platform_of
from cognate.cloudflare.queues import deliveries_of, settle
from cognate.jobs.messages import Delivery
from cognate.ports import Statement
from cognate.times import from_iso, to_iso
from tests.contract.cases import case_names, run_test, suite_of
from tests.contract.clock_suite import ClockSuite
from tests.contract.database_suite import DatabaseSuite
from tests.contract.embedder_suite import EmbedderSuite
from tests.contract.queue_suite import QueueSuite, verdicts_of
from tests.contract.vector_index_suite import MODEL, VectorIndexSuite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Clock, Database, Embedder, JobQueue, Platform, VectorIndex, Vectors
    from tests.contract.cases import Suite

DELIVERIES: Final = Statement(
    "CREATE TABLE IF NOT EXISTS contract_deliveries "
    "(message_id TEXT, body TEXT, attempts INTEGER, sent_at TEXT)"
)


def platform() -> Platform:
    """The ports over the Worker's bindings."""
    return platform_of(environment())


class CloudflareClock(ClockSuite):
    """The runtime's clock."""

    def clock(self) -> Clock:
        """The platform's clock."""
        return platform().clock

    async def elapse(self) -> None:
        """Call something: this clock stands still until an answer arrives."""
        await platform().database.batch([Statement("SELECT 1")])


class CloudflareDatabase(DatabaseSuite):
    """D1."""

    def database(self) -> Database:
        """The platform's database."""
        return platform().database


class CloudflareEmbedder(EmbedderSuite):
    """Workers AI."""

    def embedder(self) -> Embedder:
        """The platform's embedder."""
        return platform().embedder

    def numbers(self, vectors: Vectors, position: int) -> Sequence[float]:
        """The JavaScript array that was answered."""
        row: JavaScriptObject = getattr(vectors, "row")(position)  # noqa: B009 - no port has it
        return list(row)


class CloudflareQueue(QueueSuite):
    """Queues, whose consumer below writes to D1 what it is given."""

    def queue(self) -> JobQueue:
        """The platform's queue."""
        return platform().queue

    async def deliveries(self) -> Sequence[Delivery]:
        """What the consumer wrote down."""
        [_, rows] = await platform().database.batch(
            [DELIVERIES, Statement("SELECT * FROM contract_deliveries ORDER BY rowid")]
        )
        return [
            Delivery(
                row["message_id"],
                json.loads(row["body"]),
                row["attempts"],
                sent_at=from_iso(row["sent_at"]),
            )
            for row in rows
        ]


class CloudflareIndex(VectorIndexSuite):
    """Vectorize."""

    def index(self) -> VectorIndex:
        """The platform's index of the model's dimension."""
        return platform().indexes[MODEL.index_binding]

    def embedder(self) -> Embedder:
        """The platform's embedder."""
        return platform().embedder

    async def elapse(self) -> None:
        """The time that a call takes will do."""


IMPLEMENTATIONS: Final[Sequence[type[Suite]]] = (
    CloudflareClock,
    CloudflareDatabase,
    CloudflareEmbedder,
    CloudflareQueue,
    CloudflareIndex,
)


class Default(WorkerEntrypoint):
    """Runs tests, and consumes what they send."""

    async def fetch(self, request: JavaScriptObject) -> JavaScriptObject:
        """List the tests, or run the one that the path names."""
        path = urlsplit(request.url).path
        if path == "/healthz":
            return Response.new("ok")
        if path == "/cases":
            return Response.new(json.dumps(sorted(case_names(IMPLEMENTATIONS))))
        return Response.new(await failure_of(path.removeprefix("/cases/")))

    async def queue(self, batch: object, env: object, ctx: object) -> None:  # noqa: ARG002
        """Write down each delivery."""
        raw: JavaScriptObject = python_to_rpc(batch)
        deliveries = list(deliveries_of(raw))
        rows = [
            [item.message_id, json.dumps(item.body), item.attempts, to_iso(item.sent_at)]
            for item in deliveries
        ]
        insert = Statement(
            "INSERT INTO contract_deliveries SELECT value ->> 0, value ->> 1, value ->> 2, "
            "value ->> 3 FROM json_each(?1)",
            (json.dumps(rows),),
        )
        await platform().database.batch([DELIVERIES, insert])
        settle(raw, verdicts_of(deliveries))


async def failure_of(name: str) -> str:
    """The traceback of a test, with the values of its variables; empty when it passes."""
    suite_name, _, test = name.partition(".")
    kinds = [kind for kind in IMPLEMENTATIONS if suite_of(kind).__name__ == suite_name]
    if not kinds or name not in case_names(kinds):
        return f"there is no test {name}"
    try:
        await run_test(kinds[0], test)
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes to the host
        return "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    return ""
