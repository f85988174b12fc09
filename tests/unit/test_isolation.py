"""No answer and no change crosses the border of an organization. Each route is tested for it.

Two organizations have the same record ids, and each has a word that only its own texts contain.
Each route has a case here. A case asks for everything, also by the other organization's ids. The
answer may contain nothing of the other organization and must contain the caller's own. The rows and
vectors of the other organization must not change.

The conditions themselves are tested too: each condition on an organization is removed from its
statement once, and then a case must fail.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.api.application import Application
from cognate.api.http import Request
from cognate.api.routes import ROUTES
from cognate.ports import Platform, Statement
from cognate.settings import Settings
from tests.stage.people import enrol
from tests.stage.platform import ACME, GLOBEX, Stage
from tests.stage.records import SCHEMA, TABLES, TRIGGERS
from tests.stage.watched import WatchedDatabase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row

API: Final = "/api/v1"
NOT_FOUND: Final = 404
MAX_BATCHES: Final = 20
"""More deliveries than the queue needs to get empty."""

SETTINGS: Final = Settings(auth_secret="the secret of the tests")
KEPT_COVERAGE: Final = {"acme": "posts", "globex": "claims"}
"""The table whose counts are kept for an organization."""

SAME_KEY: Final = {"idempotency-key": "the-same-key"}
SAME_TEXT: Final = {"content": "A text that both organizations post"}


@dataclass(frozen=True)
class Party:
    """An organization, its only member, and the word that only its texts have."""

    name: str
    organization_id: str
    canary: str
    claims: int

    @property
    def alone(self) -> str:
        """The id of a record that only this organization has, in every table."""
        return f"only_{self.name}"


PARTIES: Final = (
    Party("acme", ACME, "Quokka", 8),
    Party("globex", GLOBEX, "Narwhal", 7),
)


@dataclass
class Fence:
    """A database whose statements can lose one condition on an organization.

    Attributes:
        seen: every statement that was run.
        broken: the statement that loses its condition.
        loses: the place of the condition, and what stands there instead.
    """

    inner: Database
    seen: set[str] = field(default_factory=set)
    broken: str | None = None
    loses: tuple[int, int, str] = (0, 0, "")

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.seen.update(statement.sql for statement in statements)
        return await self.inner.batch([self._weakened(item) for item in statements])

    def _weakened(self, statement: Statement) -> Statement:
        if statement.sql != self.broken:
            return statement
        start, end, instead = self.loses
        sql = statement.sql
        return Statement(sql[:start] + instead + sql[end:], statement.parameters)


@dataclass(frozen=True)
class Answer:
    """The status and the text of a response."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)


class World:
    """Both organizations with rows of every kind, after all jobs have ended."""

    def __init__(self) -> None:
        self.stage = Stage(SCHEMA)
        self.fence = Fence(self.stage.local.database)
        self.stage.with_database(self.fence)
        self._application = Application(SCHEMA)
        for statement in (*filter(str.strip, TABLES.split(";")), *TRIGGERS):
            self.rows(statement)
        for party in PARTIES:
            enrol(
                WatchedDatabase(self.stage.local.database),
                party.name,
                party.organization_id,
                "owner",
            )
            self._write(party)
        self.drain()
        for party in PARTIES:
            self._let_fail(party)
        self.fence.seen.clear()

    def ask(
        self,
        party: Party,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request as the member of an organization."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {
            "authorization": f"Bearer token-of-{party.name}",
            "x-request-id": "same",
            "content-type": "application/json",
            **(headers or {}),
        }

        async def read(_limit: int) -> bytes:
            return content

        local = self.stage.local
        # Sessions have tests of their own; what is theirs is not weakened here.
        platform = Platform(
            embedder=local.embedder,
            indexes=local.indexes,
            database=self.fence,
            auth_database=local.database,
            queue=local.queue,
            clock=local.clock,
        )
        request = Request.of(method, f"https://api.example.com{path}", sent.items(), read)
        response = asyncio.run(self._application.handle(request, platform, SETTINGS))
        return Answer(response.status, response.body.decode())

    def drain(self) -> None:
        """Let the consumer run until the queue is empty."""

        async def deliver() -> None:
            queue = self.stage.local.queue
            for _ in range(MAX_BATCHES):
                batch = queue.take()
                if not batch:
                    return
                queue.settle(await self.stage.consume(batch))
            raise AssertionError("the queue never gets empty")

        asyncio.run(deliver())

    def rows(self, sql: str, *parameters: str) -> list[Row]:
        """Run one statement outside of the API."""
        return asyncio.run(self.stage.rows(sql, *parameters))

    def ids(self, party: Party, table: str, condition: str = "TRUE") -> list[str]:
        """The ids of an organization's rows, oldest first."""
        found = self.rows(
            f"SELECT id FROM {table} WHERE organization_id = ?1 AND {condition} ORDER BY id",  # noqa: S608 - of tests
            party.organization_id,
        )
        return [row["id"] for row in found]

    def marks(self, party: Party) -> set[str]:
        """The values that nobody else may read."""
        jobs = [*self.ids(party, "cognate_jobs"), *self.ids(party, "cognate_backfills")]
        return {party.canary, party.alone, *jobs}

    def belongings(self, party: Party) -> str:
        """All rows and vectors of an organization."""
        tables = self.rows(
            "SELECT m.name FROM sqlite_master m WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM "
            "pragma_table_info(m.name) c WHERE c.name = 'organization_id') ORDER BY m.name"
        )
        names = [row["name"] for row in tables]
        assert {"claims", "posts", "notes", "cognate_jobs", "cognate_embeddings"} <= set(names)
        rows = {
            name: sorted(
                json.dumps(row)
                for row in self.rows(
                    f'SELECT * FROM "{name}" WHERE organization_id = ?1',  # noqa: S608 - of the schema
                    party.organization_id,
                )
            )
            for name in names
        }
        vectors = [
            sorted(
                (entry.id, str(entry.metadata))
                for entry in index.entries()
                if (entry.metadata or {})["organizationId"] == party.organization_id
            )
            for index in self.stage.local.bindings.indexes.values()
        ]
        assert any(vectors)
        return json.dumps([rows, vectors])

    def _write(self, party: Party) -> None:
        canary = party.canary
        same = ["c0", "c1", "fails0", "fails1", "waits0", "waits1", party.alone]
        ids = [*same, *(f"more{number}" for number in range(party.claims - len(same)))]
        for number, record_id in enumerate(ids):
            content = f"Claim {number} of the {canary}"
            claim = {"id": record_id, "content": content, "storyId": canary}
            assert self.ask(party, "POST", f"{API}/claims", claim).status == 201
        for record_id in ("p1", party.alone):
            post = {"id": record_id, "title": f"A post about the {canary}", "year": 2024}
            assert self.ask(party, "POST", f"{API}/posts", post).status == 201
            note = {"id": record_id, "text": f"A note on the {canary}"}
            assert self.ask(party, "POST", f"{API}/notes", note).status == 201
        posts = f"{API}/embeddings"
        for text in (f"The {canary} by itself", f"The {canary} that fails"):
            assert self.ask(party, "POST", posts, {"content": text}).status == 202
        assert self.ask(party, "POST", posts, SAME_TEXT, SAME_KEY).status == 202
        for table in ("claims", "posts"):
            body = {"table": table, "only": "all"}
            assert self.ask(party, "POST", f"{posts}/backfill", body).status == 202

    def _let_fail(self, party: Party) -> None:
        """A text and a claim whose job failed, a claim whose job waits, an unfinished backfill.

        The claims are others than those of the other organization.
        """
        number, organization_id = str(PARTIES.index(party)), party.organization_id
        self.rows(
            "UPDATE cognate_jobs SET status = 'failed', error_code = 'AI_INPUT_REJECTED', "
            "error_message = 'The ' || ?3 || ' was refused.', "
            "completed_at = '2026-11-20T11:00:00.000Z' WHERE organization_id = ?1 AND id IN ("
            "SELECT MAX(id) FROM cognate_jobs WHERE organization_id = ?1 AND record_id IN ("
            "'fails' || ?2, (SELECT id FROM cognate_texts WHERE organization_id = ?1 AND "
            "content LIKE '%fails')) GROUP BY record_id)",
            organization_id,
            number,
            party.canary,
        )
        self.rows(
            "DELETE FROM cognate_jobs WHERE organization_id = ?1 AND status = 'done' "
            "AND record_id = 'fails' || ?2",
            organization_id,
            number,
        )
        self.rows(
            "UPDATE cognate_jobs SET status = 'queued', announced = 0, completed_at = NULL "
            "WHERE id = (SELECT MAX(id) FROM cognate_jobs WHERE organization_id = ?1 "
            "AND record_id = 'waits' || ?2)",
            organization_id,
            number,
        )
        # A search embeds the claim that waits.
        self.rows(
            "UPDATE cognate_embeddings SET changes = changes + 1 "
            "WHERE organization_id = ?1 AND scope = 'claims' AND record_id = 'waits' || ?2",
            organization_id,
            number,
        )
        # And it keeps the vectors of such a claim only, so the other's is one too.
        self.rows(
            "UPDATE cognate_embeddings SET embedded_revision = NULL "
            "WHERE organization_id = ?1 AND scope = 'claims' AND record_id LIKE 'waits%'",
            organization_id,
        )
        self.rows(
            "UPDATE cognate_backfills SET status = 'running', completed_at = NULL "
            "WHERE organization_id = ?1 AND scope = 'posts'",
            organization_id,
        )
        # Made at one moment, those of both would be listed in the order of their random ids.
        self.rows(
            "UPDATE cognate_backfills SET created_at = '2026-11-20T10:00:0' || ?2 || '.000Z' "
            "WHERE organization_id = ?1",
            organization_id,
            number,
        )
        assert len(self.failed(party)) == 2
        self.rows(
            "UPDATE cognate_embeddings SET posted_text = 'A text on the ' || ?2 "
            "WHERE organization_id = ?1 AND scope = 'claims' AND record_id LIKE 'fails%'",
            organization_id,
            party.canary,
        )
        self.rows(
            "UPDATE cognate_jobs SET source = 'api' WHERE organization_id = ?1 "
            "AND scope = 'claims' AND status = 'failed'",
            organization_id,
        )
        # Of another table than the other organization.
        self.rows(
            "INSERT INTO cognate_coverage VALUES "
            "(?1, ?2, 9000, 9000, 0, 0, 0, 0, NULL, '2026-11-20T12:00:00.000Z')",
            organization_id,
            KEPT_COVERAGE[party.name],
        )
        if party is PARTIES[1]:
            # Older and newer than today's model, to the left and to the right in the index.
            for record_id, fingerprint in (("fails1", "!"), ("waits1", "~")):
                self.rows(
                    "UPDATE cognate_embeddings SET fingerprint = ?3, content_hash = 'old' "
                    "WHERE organization_id = ?1 AND scope = 'claims' AND record_id = ?2",
                    organization_id,
                    record_id,
                    fingerprint,
                )

    def failed(self, party: Party) -> list[str]:
        """The ids of failed jobs."""
        return self.ids(party, "cognate_jobs", "status = 'failed'")

    def running(self, party: Party) -> str:
        """The id of the backfill that has not ended."""
        [found] = self.ids(party, "cognate_backfills", "status = 'running'")
        return found


@dataclass(frozen=True)
class Ask:
    """One request of a case.

    Attributes:
        status: of the answer.
        says: what the answer's JSON must have, beside what is its caller's own.
        echoes: what it repeats of the request: an id that was chosen.
    """

    method: str
    path: str
    body: object = None
    status: int = 200
    headers: Mapping[str, str] | None = None
    says: Mapping[str, Any] | None = None
    echoes: str = ""


def _text(party: Party) -> str:
    """The text of the claim `c0`, so that an update with it keeps the vectors."""
    return f"Claim 0 of the {party.canary}"


def _embed_texts(_w: World, me: Party, other: Party) -> list[Ask]:
    post, path = "POST", f"{API}/embeddings"
    return [
        Ask(post, path, {"content": me.canary}, 202),
        Ask(post, path, {"content": _text(me), "table": "claims", "id": "c0"}, 202),
        Ask(post, path, {"content": "x", "table": "claims", "id": other.alone}, NOT_FOUND),
        Ask(post, path, {"content": "x", "table": "posts", "id": other.alone}, NOT_FOUND),
        Ask(post, path, SAME_TEXT, 202, SAME_KEY),
    ]


def _embed_batch(_w: World, me: Party, other: Party) -> list[Ask]:
    items = [
        {"content": _text(me), "table": "claims", "id": "c0"},
        {"content": "x", "table": "claims", "id": other.alone},
        {"content": me.canary},
    ]
    return [Ask("POST", f"{API}/embeddings/batch", {"items": items}, 207)]


def _list_jobs(world: World, _me: Party, _other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs"
    queries = [
        "limit=100",
        "limit=100&status=failed",
        "limit=100&table=claims",
        "limit=100&table=claims&id=c1",
        "limit=100&table=claims&status=failed",
        "limit=100&table=claims&id=fails0&status=failed",
        "limit=100&table=claims&id=fails1&status=failed",
        "limit=100&code=AI_INPUT_REJECTED",
        "limit=100&code=AI_INPUT_REJECTED&status=failed",
        "limit=100&table=claims&code=AI_INPUT_REJECTED",
        "limit=100&table=claims&code=AI_INPUT_REJECTED&status=failed",
    ]
    first = world.ask(_me, "GET", f"{path}?limit=1").json["pagination"]["nextCursor"]
    return [Ask("GET", f"{path}?{query}") for query in [*queries, f"limit=100&cursor={first}"]]


def _one_job(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs"
    return [
        Ask("GET", f"{path}/{world.failed(me)[0]}"),
        *(Ask("GET", f"{path}/{job}", None, NOT_FOUND) for job in world.failed(other)),
    ]


def _retry_one(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs"
    return [
        *(Ask("POST", f"{path}/{job}/retry", None, NOT_FOUND) for job in world.failed(other)),
        *(Ask("POST", f"{path}/{job}/retry", None, 202) for job in world.failed(me)),
    ]


def _retry_all(_w: World, _me: Party, _other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs/retry"
    body = {"table": "claims", "code": "AI_INPUT_REJECTED"}
    return [
        Ask("POST", path, {"table": "posts"}, 202, None, {"retried": 0, "remaining": 0}),
        Ask("POST", path, body, 202, None, {"retried": 1, "remaining": 0}),
        Ask("POST", path, {}, 202, None, {"retried": 1, "remaining": 0}),
    ]


def _dismiss_one(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs"
    return [
        *(Ask("POST", f"{path}/{job}/dismiss", None, NOT_FOUND) for job in world.failed(other)),
        *(Ask("POST", f"{path}/{job}/dismiss") for job in world.failed(me)),
    ]


def _dismiss_all(_w: World, _me: Party, _other: Party) -> list[Ask]:
    path = f"{API}/embeddings/jobs/dismiss"
    body = {"table": "claims", "code": "AI_INPUT_REJECTED"}
    return [
        Ask("POST", path, {"table": "posts"}, says={"dismissed": 0, "remaining": 0}),
        Ask("POST", path, body, says={"dismissed": 1, "remaining": 0}),
        Ask("POST", path, {}, says={"dismissed": 1, "remaining": 0}),
    ]


def _one_text(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/texts"
    return [
        *(Ask("GET", f"{path}/{text}") for text in world.ids(me, "cognate_texts")),
        *(
            Ask("GET", f"{path}/{text}", None, NOT_FOUND)
            for text in world.ids(other, "cognate_texts")
        ),
    ]


def _delete_text(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/texts"
    return [
        *(
            Ask("DELETE", f"{path}/{text}", None, NOT_FOUND)
            for text in world.ids(other, "cognate_texts")
        ),
        *(Ask("DELETE", f"{path}/{text}") for text in world.ids(me, "cognate_texts")),
    ]


def _start_backfill(world: World, me: Party, _other: Party) -> list[Ask]:
    path = f"{API}/embeddings/backfill"
    running = {"backfillId": world.running(me)}
    return [
        Ask("POST", path, {"table": "posts", "only": "all"}, 202, None, running),
        Ask("POST", path, {"table": "claims", "only": "all"}, 202),
        Ask("POST", path, {"table": "claims", "only": "all"}, 202),
    ]


def _list_backfills(world: World, me: Party, _other: Party) -> list[Ask]:
    path = f"{API}/embeddings/backfill"
    first = world.ask(me, "GET", f"{path}?limit=1").json["pagination"]["nextCursor"]
    return [Ask("GET", path), Ask("GET", f"{path}?cursor={first}")]


def _one_backfill(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/backfill"
    return [
        Ask("GET", f"{path}/{world.running(me)}"),
        Ask("GET", f"{path}/{world.running(other)}", None, NOT_FOUND),
    ]


def _cancel(world: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/embeddings/backfill"
    return [
        Ask("POST", f"{path}/{world.running(other)}/cancel", None, NOT_FOUND),
        Ask("POST", f"{path}/{world.running(me)}/cancel"),
    ]


def _coverage(_w: World, me: Party, _other: Party) -> list[Ask]:
    kept = {"records": 9000, "embedded": 9000, "failed": 0, "pending": 0}
    counted: dict[str, object] = (
        {"tables.0": kept, "tables.1": {"records": 2}}
        if KEPT_COVERAGE[me.name] == "claims"
        else {
            "tables.0": {
                "records": me.claims,
                "embedded": me.claims - 2,
                "failed": 1,
                "pending": 1,
            },
            "tables.1": kept,
        }
    )
    return [Ask("GET", f"{API}/embeddings/coverage", says=counted)]


def _search(_w: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/similarity/near/search"
    everything = {"limit": 50, "threshold": -1}
    return [
        # Only the second organization has vectors of another model.
        Ask("POST", path, {"query": me.canary, **everything}, says={"degraded": me != PARTIES[0]}),
        Ask("POST", path, {"query": f"Claim 0 of the {other.canary}", **everything}),
        Ask("POST", path, {"query": "x", **everything, "filter": {"storyId": other.canary}}),
        Ask("POST", path, {"id": "c0", **everything}),
        Ask("POST", path, {"id": other.alone, **everything}, NOT_FOUND),
    ]


def _gray_zone(_w: World, me: Party, other: Party) -> list[Ask]:
    path = f"{API}/similarity/near/gray-zone"
    return [
        Ask("POST", path, {"query": word, "min": -1, "max": 1})
        for word in (me.canary, other.canary)
    ]


def _embed(_w: World, _me: Party, other: Party) -> list[Ask]:
    return [Ask("POST", f"{API}/similarity/near/embed", {"query": other.canary})]


def _query_vectors(_w: World, me: Party, other: Party) -> list[Ask]:
    return [
        Ask("POST", f"{API}/vectors/query", {"query": word, "topK": 50, **table})
        for word in (me.canary, other.canary)
        for table in ({}, {"table": "claims"}, {"table": "posts"})
    ]


def _list_records(world: World, me: Party, other: Party) -> list[Ask]:
    asks = []
    for table, text, total in (("claims", "content", me.claims), ("posts", "title", 2)):
        path = f"{API}/{table}?total=true"
        asks += [
            Ask("GET", path, says={"pagination": {"count": total, "total": total}}),
            Ask("GET", f"{path}&sort=-{text}", says={"pagination": {"count": total}}),
            Ask("GET", f"{path}&{text}.like=%25{me.canary}%25"),
            Ask(
                "GET",
                f"{path}&{text}.like=%25{other.canary}%25",
                says={"data": [], "pagination": {"total": 0}},
            ),
        ]
    stolen = world.ask(other, "GET", f"{API}/claims?limit=1").json["pagination"]["nextCursor"]
    return [
        *asks,
        Ask("GET", f"{API}/notes?total=true", says={"pagination": {"count": 2, "total": 2}}),
        Ask("GET", f"{API}/claims?cursor={stolen}", says={"pagination": {"count": me.claims - 1}}),
    ]


def _one_record(_w: World, _me: Party, other: Party) -> list[Ask]:
    return [
        ask
        for table, record_id in (("claims", "c0"), ("posts", "p1"), ("notes", "p1"))
        for ask in (
            Ask("GET", f"{API}/{table}/{record_id}"),
            Ask("GET", f"{API}/{table}/{other.alone}", None, NOT_FOUND),
        )
    ]


def _create_record(_w: World, me: Party, other: Party) -> list[Ask]:
    claim, post, note = {"content": me.canary}, {"title": me.canary}, {"text": me.canary}
    return [
        Ask("POST", f"{API}/claims", claim, 201),
        Ask("POST", f"{API}/claims", {"id": "c0", **claim}, 409),
        # The other's id is free: that it is taken there cannot be seen from here.
        *(
            Ask("POST", f"{API}/{table}", {"id": other.alone, **body}, 201, echoes=other.alone)
            for table, body in (("claims", claim), ("posts", post), ("notes", note))
        ),
    ]


def _run(_w: World, me: Party, other: Party) -> list[Ask]:
    texts = [me.canary, other.canary]
    return [Ask("POST", f"{API}/embeddings/run", {"text": texts}, says={"shape": [2, 768]})]


def _update_record(_w: World, me: Party, other: Party) -> list[Ask]:
    return [
        ask
        for table, record_id, text in (
            ("claims", "c0", "content"),
            ("posts", "p1", "title"),
            ("notes", "p1", "text"),
        )
        for ask in (
            Ask("PATCH", f"{API}/{table}/{record_id}", {text: f"{me.canary}, changed"}),
            Ask("PATCH", f"{API}/{table}/{other.alone}", {text: "mine"}, NOT_FOUND),
        )
    ] + [Ask("PATCH", f"{API}/claims/c1", {"storyId": f"{me.canary} again"})]


def _delete_record(_w: World, _me: Party, other: Party) -> list[Ask]:
    return [
        ask
        for table, record_id in (("claims", "c0"), ("posts", "p1"), ("notes", "p1"))
        for ask in (
            Ask("DELETE", f"{API}/{table}/{other.alone}", None, NOT_FOUND),
            Ask("DELETE", f"{API}/{table}/{record_id}"),
        )
    ]


def _write_batch(_w: World, me: Party, other: Party) -> list[Ask]:
    operations = [
        {"operation": "update", "id": "c0", "record": {"content": f"{me.canary} anew"}},
        {"operation": "delete", "id": "c1"},
        {"operation": "delete", "id": other.alone},
        {"operation": "create", "record": {"content": me.canary}},
    ]
    says = {"results.2": {"status": NOT_FOUND}, "results.1": {"status": 200}}
    return [Ask("POST", f"{API}/claims/batch", {"operations": operations}, 207, says=says)]


def _public(path: str) -> Callable[[World, Party, Party], list[Ask]]:
    return lambda _world, _me, _other: [Ask("GET", path)]


Case = Callable[[World, Party, Party], list[Ask]]
"""Makes the requests of a case for the world, the caller, and the other organization."""

CASES: Final[Mapping[str, Case]] = {
    "health.get": _public("/healthz"),
    "health.ready": _public(f"{API}/ready"),
    "embeddings.post": _embed_texts,
    "embeddings.batch": _embed_batch,
    "embeddings.run": _run,
    "embeddings.tables": _public(f"{API}/embeddings/tables"),
    "embeddings.jobs": _list_jobs,
    "embeddings.job": _one_job,
    "embeddings.job_retry": _retry_one,
    "embeddings.jobs_retry": _retry_all,
    "embeddings.job_dismiss": _dismiss_one,
    "embeddings.jobs_dismiss": _dismiss_all,
    "embeddings.text": _one_text,
    "embeddings.text_delete": _delete_text,
    "embeddings.backfill_start": _start_backfill,
    "embeddings.backfills": _list_backfills,
    "embeddings.backfill": _one_backfill,
    "embeddings.backfill_cancel": _cancel,
    "embeddings.coverage": _coverage,
    "similarity.services": _public(f"{API}/similarity"),
    "similarity.search": _search,
    "similarity.gray_zone": _gray_zone,
    "similarity.embed": _embed,
    "vectors.query": _query_vectors,
    "records.list": _list_records,
    "records.create": _create_record,
    "records.batch": _write_batch,
    "records.get": _one_record,
    "records.update": _update_record,
    "records.delete": _delete_record,
}

NAMELESS: Final = {
    "health.get",
    "embeddings.run",
    "health.ready",
    "embeddings.tables",
    "similarity.services",
    "similarity.embed",
    # They answer counts, which the case states.
    "embeddings.coverage",
    "embeddings.jobs_retry",
    "embeddings.jobs_dismiss",
    "embeddings.text_delete",
    "records.delete",
}
"""Routes whose answers contain no value of an organization, so that none can be found."""


def violations(name: str, me: Party, world: World) -> list[str]:
    """Run a case as one organization, and return the faults that it finds."""
    [other] = [party for party in PARTIES if party != me]
    before, foreign = world.belongings(other), world.marks(other)
    known = set(asyncio.run(world.stage.discrepancies()))
    found: list[str] = []
    shown: set[str] = set()
    chosen: set[str] = set()
    for ask in CASES[name](world, me, other):
        answer = world.ask(me, ask.method, ask.path, ask.body, ask.headers)
        # A problem repeats the path that was asked for.
        words = _words(answer.text)
        shown |= words
        chosen |= _words(ask.echoes)
        where = f"{ask.method} {ask.path} {ask.body or ''}"
        if answer.status != ask.status:
            found.append(f"{where} is answered {answer.status}, not {ask.status}")
        elif not _says(answer, ask.says or {}):
            found.append(f"{where} does not say {ask.says}: {answer.text}")
        repeated = _words(f"{ask.path} {ask.echoes}")
        found += [f"{where} shows {mark}" for mark in (foreign & words) - repeated]
    if name not in NAMELESS and not world.marks(me) & shown:
        found.append("nothing of its own was found")
    world.drain()
    if world.belongings(other) != before:
        found.append(f"what {other.name} has is not what it was")
    strange = foreign & _words(world.belongings(me)) - chosen
    found += [f"{me.name} has {mark}" for mark in strange]
    return found + sorted(set(asyncio.run(world.stage.discrepancies())) - known)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _says(answer: Answer, expected: Mapping[str, Any]) -> bool:
    """Compare the values at these dotted paths. Of an object, only the named members count."""
    for path, value in expected.items():
        found = answer.json
        for step in path.split("."):
            found = found[int(step)] if step.isdigit() else found[step]
        if isinstance(value, dict):
            found = {name: found.get(name) for name in value}
        if found != value:
            return False
    return True


def test_every_route_has_a_case() -> None:
    """A new route without a case fails this test."""
    assert {route.name for route in ROUTES} == set(CASES)
    assert set(CASES) > NAMELESS


@pytest.mark.parametrize("me", PARTIES, ids=lambda party: party.name)
@pytest.mark.parametrize("name", CASES)
def test_a_route_keeps_to_the_callers_organization(name: str, me: Party) -> None:
    """It shows and changes the rows of the caller's organization, and none of the other."""
    assert violations(name, me, World()) == []


def test_what_is_the_others_is_answered_like_what_never_was() -> None:
    """The status and the body are those for an id that never existed."""
    world = World()
    me, other = PARTIES
    for template, mine in (
        ("GET /claims/{}", other.alone),
        ("PATCH /claims/{}", other.alone),
        ("DELETE /claims/{}", other.alone),
        ("GET /posts/{}", other.alone),
        ("GET /embeddings/jobs/{}", world.failed(other)[0]),
        ("POST /embeddings/jobs/{}/retry", world.failed(other)[0]),
        ("POST /embeddings/jobs/{}/dismiss", world.failed(other)[0]),
        ("GET /embeddings/texts/{}", world.ids(other, "cognate_texts")[0]),
        ("DELETE /embeddings/texts/{}", world.ids(other, "cognate_texts")[0]),
        ("GET /embeddings/backfill/{}", world.running(other)),
        ("POST /embeddings/backfill/{}/cancel", world.running(other)),
    ):
        answers = []
        for record_id in (mine, "never_was"):
            method, path = template.format(record_id).split()
            answer = world.ask(me, method, API + path, {} if method == "PATCH" else None)
            answers.append((answer.status, answer.text.replace(record_id, "")))
        assert answers[0] == answers[1]
        assert answers[0][0] == NOT_FOUND


CONDITION: Final = re.compile(
    r"(?:\w+\.|\"\w+\"\.)?organization_id = "
    r"(?:\?1|(?:\w+|\"\w+\")\.organization_id|(?:\w+\.)?value ->> 'organization')"
)
"""A condition on an organization in a statement."""


REDUNDANT: Final = {
    r"<<(\w\.)?organization_id = \?1>> AND (\w\.)?token = ": (
        "The token was made by this very request, and nobody else has it."
    ),
    r"<<organization_id = \?1>> AND key = \?2 AND created_at < \?3": (
        "Keys of anybody that are as old as that are deleted by the sweeper too."
    ),
    r"<<r\.organization_id = \?1>> AND r\.id = [^)]* AND r\.updated_at = ": (
        "Asks whether this batch made its write; the job is the caller's own in any case."
    ),
    r"^INSERT INTO cognate_(embeddings|jobs) .*<<g\.organization_id": (
        "Asks whether the caller's deletion has vectors to remove; a job that finds none is done."
    ),
    r"^INSERT INTO cognate_embeddings .* NOT EXISTS \(SELECT 1 FROM \"\w+\" r WHERE <<": (
        "Raises a revision; the same condition at the job behind it is noticed."
    ),
    r"^INSERT INTO cognate_jobs .*<<r\.organization_id = \?1>> AND r\.scope = \?2": (
        "Embeds a text once more where only its metadata was to be indexed."
    ),
    r"<<s\.organization_id = f\.organization_id>>": (
        "The failed job is the caller's own, and so is what it is retried as."
    ),
    r"^SELECT f\.id, .*<<f\.organization_id = \?1>>": (
        "Names failed jobs; the statement that retries them asks for the organization again."
    ),
    r"CROSS JOIN cognate_jobs o INDEXED BY \w+ ON <<": "Each of the two is enough.",
    r"<<f\.organization_id = \?1>> AND f\.scope = \?2": "The other one of the two.",
    r"ON <<s\.organization_id = r\.organization_id>> .* r\.id = \?3": (
        "The record is the caller's own; what is looked up is the model of its vectors."
    ),
    r"<<\S*organization_id = json_each\.value ->> 'organization'>> AND \S+ = [^=]* AND \+": (
        "Twice in the statement: to find the row by its key, and to hold it to the caller."
    ),
    r"AND \+<<\S*organization_id = \?1>> AND \(quote": "The other one of the two.",
    r"^UPDATE cognate_embeddings SET posted_text = NULL, .*SELECT f\.scope.*<<": (
        "Jobs whose ids were looked up within the organization; or a text that is given up stays."
    ),
    r"^UPDATE cognate_jobs (AS [fo] (SET|INDEXED)|INDEXED BY cognate_jobs_by_record)": (
        "Retries jobs whose ids were looked up within the organization."
    ),
    r"^UPDATE cognate_backfills SET status = 'cancelled'": (
        "The backfill was looked up within the organization before."
    ),
    r"scopes CROSS JOIN cognate_jobs ON <<|SELECT n\.id FROM cognate_jobs n WHERE [^)]*<<": (
        "Each of the two is enough."
    ),
    r"^WITH RECURSIVE collections .*SELECT MIN\(scope\) FROM cognate_jobs WHERE <<": (
        "Names collections; the jobs are read from the caller's own."
    ),
    r"^WITH open .*cognate_jobs_\w+ WHERE <<organization_id = \?1>>": (
        "Names jobs; what waits is read from the caller's own states and records."
    ),
    r"^WITH open .*cognate_embeddings s ON <<s\.organization_id": (
        "Names states; the texts are read from the caller's own records."
    ),
    r"^WITH open .*<<r\.organization_id = \?1>> AND r\.id = j\.record_id": (
        "Asks whether a record is there; its text is read from the caller's own."
    ),
    r"^WITH other .*<<r\.organization_id = o\.organization_id>>": (
        "Asks whether a record is there; it says no more than that vectors are of another model."
    ),
    r"^WITH recent .*<<r\.organization_id = s\.organization_id>>": (
        "Asks whether a record is there; its vectors are read from the caller's own."
    ),
    r"^WITH recent .*<<s\.organization_id = \?1>>": (
        "Names records; their vectors are read from the caller's own."
    ),
    r"^SELECT p\.id AS named.*<<r\.organization_id = \?1>> AND r\.id = j\.value": (
        "Adds up sizes; the rows themselves are read in the caller's own organization."
    ),
    r"cognate_texts.*<<|<<.*cognate_texts": "The ids of texts are made here, and no two are equal.",
}
"""Conditions that can be removed without harm, with the reason."""

UNREACHED: Final = {
    r"^SELECT (r\.id, 0|s\.record_id AS id, r\.id IS NULL) AS gone": (
        "Whether a backfill has to queue a record; it queues in its own organization only."
    ),
    r"^SELECT s\.record_id, s\.chunks, json_each\.value ->> 'chunk' AS first": (
        "Reads vectors by the rows of the caller's organization; the joins add columns to them."
    ),
    r"^SELECT t\.organization_id, t\.id, hex\(": (
        "Reads more than it needs; the rows are told apart by their organization."
    ),
    r"^UPDATE \"\w+\" SET \"embedding\" = .* FROM cognate_embeddings s WHERE <<": (
        "Asks for the revision, in a race only; the row itself is held to its organization."
    ),
    r"^DELETE FROM cognate_embeddings .*<<j\.organization_id": (
        "A state row that is no longer needed stays while any job of such a record is pending."
    ),
    r"^UPDATE cognate_embeddings SET content_hash .*<<q\.organization_id": (
        "Whether a repair of the record waits, which it does in a race only."
    ),
    r"^WITH open .*(\"posts\"|= \?8\b).*<<r\.organization_id = \?1>> AND r\.id = f\.record_id": (
        "No post waits here, nor a claim of the filter; the claims' own statement is noticed."
    ),
    r"^WITH other .*<<organization_id = \?1>>.*\"posts\"": (
        "No post has vectors of another model here; the claims' own statement is noticed."
    ),
    r"^WITH recent .*(\"posts\"|= \?6 ).*<<r\.organization_id = \?1>> AND r\.id = recent": (
        "Posts have no words in their metadata, and a filter is asked again; as above."
    ),
    r"^UPDATE cognate_jobs SET status = CASE": (
        "What becomes of a finished job beside others of its record, in a race only."
    ),
    r"SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_(waiting|open) WHERE <<": (
        "Counts the messages of a window of five hundred."
    ),
    r"SELECT q\.id FROM cognate_jobs q INDEXED BY \w+ WHERE <<": (
        "No other organization's job of such a record is queued; a test of the queue has one."
    ),
    r"^SELECT j\.id AS job_id, .*m CROSS JOIN cognate_jobs j ON <<": (
        "Reads jobs by their ids, which are random; they were started by their whole keys."
    ),
    r"^SELECT j\.id FROM json_each\(\?1\) m CROSS JOIN cognate_jobs j ON <<": (
        "Names jobs by their ids, which are random; they are started by their whole keys."
    ),
    r"^INSERT INTO cognate_jobs .* 'repair', .*<<": "Queues a repair, in a race only.",
    r"^WITH pending .*( FROM pending p WHERE EXISTS \([^<]*<<|<<.*posts)": (
        "The age of what is pending; and the posts, of which none has failed or is pending."
    ),
    r"^INSERT INTO cognate_(embeddings|jobs) .*\"claims\" r WHERE <<.*cognate_backfills b": (
        "A backfill's own records, which were read by the organization of the backfill."
    ),
    r"^UPDATE cognate_idempotency_keys SET jobs": "Finds the jobs that this batch has queued.",
}
"""Conditions that no case here reaches, with a reason from reading the code."""


@dataclass(frozen=True)
class Hole:
    """A statement of which one condition on an organization is missing."""

    sql: str
    start: int
    end: int

    @property
    def loses(self) -> tuple[int, int, str]:
        """The SQL in place of the condition, which is always true."""
        # A parameter that is bound must be in the statement.
        bound = self.sql[self.start : self.end].endswith("?1")
        return self.start, self.end, "?1 IS NOT NULL" if bound else "TRUE"

    def __str__(self) -> str:
        """The statement on one line, with its hole marked."""
        sql = self.sql
        marked = f"{sql[: self.start]}<<{sql[self.start : self.end]}>>{sql[self.end :]}"
        return " ".join(marked.split())


def _is_noticed(hole: Hole, askers: Sequence[tuple[str, Party]]) -> bool:
    for name, me in askers:
        world = World()
        world.fence.broken, world.fence.loses = hole.sql, hole.loses
        try:
            if violations(name, me, world):
                return True
        except Exception:  # noqa: BLE001 - a consumer that fails is noticed, whatever it fails by
            return True
    return False


@pytest.mark.timeout(600)
def test_each_condition_on_an_organization_is_needed() -> None:
    """Without it a case fails. The conditions for which this is not so are listed with a reason."""
    askers: dict[str, list[tuple[str, Party]]] = {}
    for name in CASES:
        for me in PARTIES:
            world = World()
            violations(name, me, world)
            for sql in world.fence.seen:
                askers.setdefault(sql, []).append((name, me))
    holes = [
        Hole(sql, found.start(), found.end())
        for sql in sorted(askers)
        for found in CONDITION.finditer(sql)
    ]
    assert len(holes) > 60
    texts = [str(hole) for hole in holes]
    reasons = {pattern: re.compile(pattern) for pattern in (*REDUNDANT, *UNREACHED)}
    assert [p for p, found in reasons.items() if not any(map(found.search, texts))] == []
    unnoticed = [
        text
        for hole, text in zip(holes, texts, strict=True)
        if not any(found.search(text) for found in reasons.values())
        and not _is_noticed(hole, askers[hole.sql])
    ]

    assert unnoticed == []
