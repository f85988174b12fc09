"""All that one organization can ask for, and all that the queue and the clock then do for it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from cognate.ids import vector_key
from cognate.jobs.messages import reference
from cognate.models import MODELS
from cognate.settings import AUTH_NAMING
from tests.worker.filled import OFTEN, SELDOM, TEXTS, record_id
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    import httpx

    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

QUERY: Final = "Police arrested three suspects after the robbery"
MANY: Final = 30
"""Records of one batch here."""

MATCHES: Final = 100
"""Filled records that the index knows too: as many as one query can name."""

LISTS: Final[dict[str, list[dict[str, str]]]] = {
    "claims": [
        {},
        {"sort": "-id", "total": "true"},
        {"sort": "createdAt"},
        {"sort": "-storyId", "storyId": "kept"},
        {"content.like": "The filled%", "createdAt.gt": "2020-01-01T00:00:00Z"},
        {"storyId.in": "kept,lost"},
    ],
    "articles": [{}, {"sort": "-year", "year.gte": "1999"}],
    "notes": [{}, {"total": "true"}],
}
UNSHOWN: Final = 150
"""More records than a search compares without choosing."""

FUTURE: Final = "2099-01-01T00:00:00.000Z"
PAST: Final = "2020-01-01T00:00:00.000Z"


@dataclass
class Everything:
    """One organization, whose every request and message is played once."""

    instruments: Instruments
    organization: Organization
    round: str

    @property
    def id(self) -> str:
        """Of the organization."""
        return self.organization.demo.id

    def play(self) -> None:
        """Everything, in an order in which each step finds what it needs."""
        self.recover()
        self.index()
        self.write()
        self.embed()
        unreadable = self.sicken()
        self.search()
        self.read()
        self.fail(*unreadable)
        self.overtake()
        self.move()
        self.receive()
        self.backfill()
        self.lose()
        self.end()
        self.wait()

    def play_crowded(self) -> None:
        """What an organization does whose jobs wait; they stay where they are."""
        self._post("/claims", {"content": f"{QUERY} {self.round}"}, 201)
        self._post("/similarity/claimSimilarity/search", {"query": QUERY, "limit": 50})
        self._pages("/embeddings/jobs", {"status": "queued"})
        self._ok(self.organization.get("/embeddings/coverage"))
        self._post("/embeddings/jobs/retry", {}, 202)
        started = self._post("/embeddings/backfill", {"table": "claims", "only": "all"}, 202)
        wait_for(
            lambda: self.instruments.sql(
                "SELECT 1 FROM cognate_backfills WHERE id = ?1 AND step > 0", started["backfillId"]
            ),
            "a step that finds enough jobs waiting",
        )
        self._post(f"/embeddings/backfill/{started['backfillId']}/cancel", None)

    # Requests

    def index(self) -> None:
        """Let the index name as many of the filled records as it can."""
        for binding, scope, dimensions in (
            ("VECTORIZE", "claims", 768),
            ("VECTORIZE_384", "articles", 384),
            ("VECTORIZE", TEXTS.scope, 768),
        ):
            entries = [
                {
                    "id": f"{vector_key(self.id, scope, record_id(number))}.0",
                    "values": [dimensions**-0.5] * dimensions,
                    "metadata": {"organizationId": self.id, "table": scope, "storyId": "kept"},
                }
                for number in range(MATCHES)
            ]
            self.instruments.rpc(binding, "upsert", entries)

    def write(self) -> None:
        """Create, change and delete records, one by one and many at once."""
        claim = self._post("/claims", {"content": f"{QUERY} {self.round}"}, 201)["id"]
        # Long enough for several vectors.
        article = {"title": QUERY, "body": "It happened at noon. " * 300, "section": "city"}
        self._post("/articles", {**article, "year": 2026}, 201)
        self._ok(self.organization.patch(f"/claims/{claim}", {"content": f"{QUERY} at noon"}))
        self._ok(self.organization.patch(f"/claims/{record_id(1)}", {"storyId": "moved"}))
        self._ok(self.organization.delete(f"/claims/{claim}"))
        note = self._post("/notes", {"text": QUERY}, 201)["id"]
        self._post("/embeddings", {"content": QUERY, "table": "notes", "id": note}, 202)
        self._ok(self.organization.delete(f"/notes/{note}"))
        for table, field in (("claims", "content"), ("notes", "text")):
            new = [
                {"operation": "create", "record": {field: f"{QUERY} {number} {self.round}"}}
                for number in range(MANY)
            ]
            created = [item["record"]["id"] for item in self._batch(table, new)]
            half = MANY // 2
            changes = [
                *({"operation": "update", "id": found, "record": {field: "It was changed"}}
                  for found in created[:half]),
                *({"operation": "delete", "id": found} for found in created[half:]),
            ]  # fmt: skip
            self._batch(table, changes)
        self.settle()

    def embed(self) -> None:
        """Post texts: alone, for records, many at once, and again under the same key."""
        text = self._post("/embeddings", {"content": f"{QUERY} {self.round}"}, 202)["jobId"]
        self._post("/embeddings", {"content": QUERY, "table": "claims", "id": record_id(2)}, 202)
        texts = [{"content": f"{QUERY} {number}"} for number in range(MANY)]
        others = [{"content": QUERY, "model": model} for model in MODELS]
        posted = [
            {"content": QUERY, "table": "claims", "id": record_id(number)}
            for number in range(10, 10 + MANY)
        ]
        headers = {**self.organization.headers, "idempotency-key": f"key-{self.round}"}
        body = {"items": [*texts, *others, *posted]}
        for _ in range(2):
            path = "/api/v1/embeddings/batch"
            self._ok(self.organization.http.post(path, headers=headers, json=body))
        self._post("/embeddings/run", {"text": QUERY}, 200)
        self.settle()
        self._ok(self.organization.get(f"/embeddings/texts/{text}"))
        self._ok(self.organization.delete(f"/embeddings/texts/{text}"))
        self.settle()

    def search(self) -> None:
        """Search in every way, with an index that names as many records as it can."""
        filled = [768**-0.5] * 768
        for service, restriction in (
            ("claimSimilarity", {"storyId": "kept"}),
            ("articleSimilarity", {"year": {"$gte": 1990}}),
        ):
            path = f"/similarity/{service}"
            for extra in ({}, {"filter": restriction}):
                self._post(
                    f"{path}/search", {"query": QUERY, "limit": 50, "threshold": -1, **extra}
                )
                self._post(f"{path}/gray-zone", {"query": QUERY, "min": -1, "max": 1, **extra})
            self._post(f"{path}/search", {"id": record_id(5), "limit": 50})
            self._post(f"{path}/embed", {"query": QUERY})
        for table in ({}, {"table": "claims"}):
            self._post("/vectors/query", {"vector": filled, "topK": 50, **table})
        self._lag(FUTURE)
        self._post("/similarity/claimSimilarity/search", {"query": QUERY, "limit": 50})
        self._lag(PAST)

    def _lag(self, indexed_at: str) -> None:
        """Let the index have accepted many records at this time."""
        self.instruments.sql(
            "UPDATE cognate_embeddings SET indexed_at = ?2 WHERE organization_id = ?1 "
            "AND scope = 'claims' AND record_id BETWEEN ?3 AND ?4",
            self.id,
            indexed_at,
            record_id(200),
            record_id(200 + UNSHOWN),
        )

    def read(self) -> None:
        """Look at everything: records, jobs, backfills, coverage."""
        for path in ("/ready", "/similarity", "/embeddings/tables", "/embeddings/coverage"):
            self._ok(self.organization.get(path))
        self._ok(self.organization.http.get("/healthz"))
        self._ok(self.organization.get(f"/claims/{record_id(3)}"))
        for table, lists in LISTS.items():
            for parameters in lists:
                self._pages(f"/{table}", parameters)
        filters = product((None, "done", "failed"), (None, "claims"), (None, OFTEN))
        for status, kept_table, code in filters:
            chosen = {"status": status, "table": kept_table, "code": code}
            self._pages("/embeddings/jobs", {k: v for k, v in chosen.items() if v is not None})
        of_record = {"table": "claims", "id": record_id(4)}
        [job, *_] = self._pages("/embeddings/jobs", of_record)
        self._pages("/embeddings/jobs", {**of_record, "status": "done", "code": OFTEN})
        self._ok(self.organization.get(f"/embeddings/jobs/{job['jobId']}"))
        self._pages("/embeddings/backfill", {})

    # What goes wrong

    def recover(self) -> None:
        """Announce again the jobs whose messages a runtime has lost that is gone."""
        self.instruments.sql(
            "UPDATE cognate_jobs SET due_at = ?2 WHERE organization_id = ?1 AND status = 'queued'",
            self.id,
            PAST,
        )
        self.instruments.sweep()
        self.settle()

    def sicken(self) -> tuple[str, str]:
        """Write a record and post a text that the model refuses; the ids of both."""
        self.instruments.fault("AI", "run", message="5004: bad input", count=99, match="unreadable")
        record = self._post("/claims", {"content": f"unreadable {self.round}"}, 201)["id"]
        text = self._post("/embeddings", {"content": f"unreadable text {self.round}"}, 202)["jobId"]
        return record, text

    def fail(self, failed: str, text: str) -> None:
        """Try failed jobs again or dismiss them, one by one and by their code."""
        self.settle()
        self.instruments.calm()
        [job] = self._pages("/embeddings/jobs", {"table": "claims", "id": failed})
        self._post(f"/embeddings/jobs/{job['jobId']}/retry", None, 202)
        self._post(f"/embeddings/jobs/{text}/dismiss", None)
        self._post("/embeddings/jobs/dismiss", {"code": SELDOM, "table": "articles"})
        for chosen in ({"code": SELDOM, "table": "claims"}, {"code": SELDOM}):
            self._post("/embeddings/jobs/retry", chosen, 202)
        self.settle()
        naming = {"variables": {AUTH_NAMING: "camelCase"}, "headers": self.organization.headers}
        broken = self.instruments.ask("broken", {"path": "/api/v1/similarity", **naming})
        assert broken["status"] == 503

    def overtake(self) -> None:
        """Change records while older texts of theirs are embedded and indexed."""
        for binding, method in (("AI", "run"), ("VECTORIZE", "upsert")):
            self.instruments.fault(binding, method, "slow", seconds=1.5, count=1)
            written = self._post("/claims", {"content": f"slow {method} {self.round}"}, 201)["id"]
            wait_for(
                lambda: self.instruments.sql(
                    "SELECT 1 FROM cognate_jobs WHERE organization_id = ?1 AND scope = 'claims' "
                    "AND record_id = ?2 AND status = 'running'",
                    self.id,
                    written,  # noqa: B023 - asked at once
                ),
                "a running job",
            )
            self._ok(self.organization.patch(f"/claims/{written}", {"content": "It was changed"}))
            self.settle()
        self.instruments.calm()

    def move(self) -> None:
        """Change a record of which another index has vectors too, as after a change of model."""
        self.instruments.sql(
            "UPDATE cognate_embeddings SET index_bindings = ?3 WHERE organization_id = ?1 "
            "AND scope = 'claims' AND record_id = ?2",
            self.id,
            record_id(100),
            '["VECTORIZE", "VECTORIZE_384"]',
        )
        changed = {"content": f"It has moved {self.round}"}
        self._ok(self.organization.patch(f"/claims/{record_id(100)}", changed))
        self.settle()

    def receive(self) -> None:
        """Take messages of other Workers, of tables that are gone, and dead letters."""
        text = {"type": "embedding", "organizationId": self.id, "content": f"{QUERY} {self.round}"}
        of_record = {**text, "table": "claims", "id": record_id(6)}
        malformed = {"type": "embedding", "organizationId": self.id}
        gone = f"job_gone_{self.id}_{self.round}"
        self._queue(gone, "gone", record_id(7))
        self.instruments.send(text, of_record, malformed, reference(self.id, "gone", gone))
        self.settle()
        dead = f"job_dead_{self.id}_{self.round}"
        self._queue(dead, "claims", record_id(8))
        letter = reference(self.id, "claims", dead)
        self.instruments.ask("dead-letters", {"bodies": [letter, text, of_record, malformed]})
        self.instruments.sql("UPDATE cognate_jobs SET due_at = ?2 WHERE id = ?1", dead, PAST)
        self.instruments.sweep()
        self.settle()

    def backfill(self) -> None:
        """Walk over a part of a table for each selection, and over one that is gone."""
        for selection in ("missing", "stale", "all"):
            body = {"table": "claims", "only": selection}
            started = self._post("/embeddings/backfill", body, 202)["backfillId"]
            self._post("/embeddings/backfill", body, 202)
            path = f"/embeddings/backfill/{started}"
            wait_for(
                lambda: self.organization.get(path).json()["scanned"] > 0,  # noqa: B023
                "a step of the backfill",
            )
            self._post(f"{path}/cancel", None)
            self.settle()
        gone = f"backfill_gone_{self.id}_{self.round}"
        self.instruments.sql(
            "INSERT INTO cognate_backfills (id, organization_id, scope, selection, status, token, "
            "due_at, created_at, updated_at) VALUES (?1, ?2, 'gone', 'all', 'running', ?1, ?3, ?3, "
            "?3)",
            gone,
            self.id,
            PAST,
        )
        self.instruments.sweep()
        wait_for(
            lambda: (
                self.organization.get(f"/embeddings/backfill/{gone}").json()["status"] == "failed"
            ),
            "the end of a backfill without a table",
        )

    def lose(self) -> None:
        """Lose a message, and the handler of a job; the sweeper finds both."""
        lost = self._post("/claims", {"content": f"lost {self.round}"}, 201)["id"]
        self.settle()
        self.instruments.sql(
            "UPDATE cognate_jobs SET status = 'running', due_at = ?3, completed_at = NULL "
            "WHERE organization_id = ?1 AND scope = 'claims' AND record_id = ?2",
            self.id,
            lost,
            PAST,
        )
        self.instruments.sql(
            "UPDATE cognate_texts SET created_at = ?2 WHERE organization_id = ?1 AND id = ?3",
            self.id,
            PAST,
            record_id(9),
        )
        self.instruments.fail_sends(self.id)
        self._post("/claims", {"content": f"unsent {self.round}"}, 201)
        self.instruments.sql(
            "UPDATE cognate_jobs SET due_at = ?2 WHERE organization_id = ?1 AND status = 'queued' "
            "AND due_at < '9'",
            self.id,
            PAST,
        )
        self.instruments.sweep()
        self.settle()

    def end(self) -> None:
        """Remove what is old."""
        self.instruments.sql(
            "UPDATE cognate_jobs SET completed_at = ?2 WHERE organization_id = ?1 "
            "AND completed_at IN (SELECT completed_at FROM cognate_jobs WHERE organization_id = ?1 "
            "AND status IN ('done', 'failed') ORDER BY completed_at LIMIT 200)",
            self.id,
            PAST,
        )
        self.instruments.sweep()
        self.settle()

    def wait(self) -> None:
        """Let the model be busy, and the index do what it was told and then fail."""
        self.instruments.fault("AI", "run", message="3040: Capacity temporarily exceeded")
        self._wait_for_another_try()
        throttled = "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests"
        self.instruments.fault("VECTORIZE", "upsert", "after", throttled)
        self._wait_for_another_try()
        self.instruments.calm()

    def _wait_for_another_try(self) -> None:
        written = self._post("/claims", {"content": f"patience {self.round}"}, 201)["id"]
        wait_for(
            lambda: self.instruments.sql(
                "SELECT 1 FROM cognate_jobs WHERE organization_id = ?1 AND scope = 'claims' "
                "AND record_id = ?2 AND status = 'queued' AND attempts > 0",
                self.id,
                written,
            ),
            "a job that waits",
        )

    def settle(self) -> None:
        """Wait until nothing of the organization is queued or running that is due."""
        wait_for(
            lambda: (
                not self.instruments.sql(
                    "SELECT 1 FROM cognate_jobs WHERE organization_id = ?1 "
                    "AND status IN ('queued', 'running') LIMIT 1",
                    self.id,
                )
            ),
            "the end of all jobs",
        )

    # How it is asked

    def _queue(self, job: str, scope: str, record: str) -> None:
        """Write a job down whose message somebody else sends."""
        self.instruments.sql(
            "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, model, source, "
            "status, announced, due_at, created_at, updated_at) "
            "VALUES (?1, ?2, ?3, ?4, 'model', 'write', 'queued', 1, '9999', ?5, ?5)",
            job,
            self.id,
            scope,
            record,
            PAST,
        )

    def _pages(self, path: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        """The items of two pages of a list."""
        first = self._ok(self.organization.get(path, params={**parameters, "limit": "10"}))
        items: list[dict[str, Any]] = first["data"]
        cursor = first["pagination"]["nextCursor"]
        if cursor is not None:
            after = {**parameters, "limit": "10", "cursor": cursor}
            items += self._ok(self.organization.get(path, params=after))["data"]
        return items

    def _batch(self, table: str, operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = self._post(f"/{table}/batch", {"operations": operations}, 207)
        results: list[dict[str, Any]] = answer["results"]
        assert [item for item in results if "error" in item] == []
        return results

    def _post(self, path: str, body: Any, status: int = 200) -> dict[str, Any]:
        answer = self.organization.post(path, body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _ok(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found
