"""The random story in the real runtime: members write, and whatever can fail does."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING, Any, Final

from local.demo.organizations import DemoOrganization
from tests.demonstration import app
from tests.sql_author import SqlAuthor
from tests.stage.story import POISON
from tests.sweep import Sweep
from tests.worker.author import RECORDS, Author
from tests.worker.matrix_row import LONG_AGO
from tests.worker.rest import WorkerAtRest
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.bindings.faults import FaultKind
    from tests.worker.instruments import Instruments

TEXTS: Final = (
    "A harbour in the morning.",
    "A railway over the mountains.",
    "The weather of tomorrow.",
    "Bread and cheese, and a walk along the river afterwards.",
)
AI_ERRORS: Final = ("3040: out of capacity", "3007: timeout", "1031: something else")
UNUSABLE: Final[tuple[FaultKind, ...]] = ("short", "dimension", "empty")
HEARD_OR_NOT: Final[tuple[FaultKind, ...]] = ("error", "after")
INDEX_ERRORS: Final = (
    "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests",
    "VECTOR_ERROR (code = 50000): something else",
)
INDEXES: Final = ("VECTORIZE", "VECTORIZE_384")

CHAOS_SHARE: Final = 0.2
"""Faults and redeliveries among all steps."""

SQL_SHARE: Final = 0.08
"""Writes by SQL among all steps."""

SETTLED_SECONDS: Final = 150.0


class WorkerStory:
    """Everything that may happen to a running Worker, drawn from one seed."""

    def __init__(self, instruments: Instruments, seed: int) -> None:
        self.instruments = instruments
        self.random = Random(seed)  # noqa: S311 - a story, no secret
        demos = [DemoOrganization(f"story-{seed}-{n}", f"Story {n}", "M") for n in range(3)]
        self.canaries = {demo.id: f"Canary{seed}x{n}" for n, demo in enumerate(demos)}
        self.members = {demo.id: instruments.organization(demo.slug) for demo in demos}
        self.author = Author(self.random, self.canaries, self.ask, TEXTS)
        self.sql_author = SqlAuthor(
            self.random, self._rows, list(self.canaries), RECORDS, self.author.text
        )
        self.sweep = Sweep(app, WorkerAtRest(instruments), self.ask, self.canaries)

    async def ask(
        self, organization_id: str, method: str, path: str, body: Any = None
    ) -> tuple[int, str]:
        """See `tests.sweep.Ask`."""
        answer = self.instruments.http.request(
            method, path, json=body, headers=self.members[organization_id].headers
        )
        return answer.status_code, answer.text

    async def play(self, steps: int) -> list[str]:
        """What is wrong at the end, when the faults have stopped and all is final."""
        for _ in range(steps):
            luck = self.random.random()
            if luck < CHAOS_SHARE:
                self.random.choice(self._chaos())()
            elif luck < CHAOS_SHARE + SQL_SHARE:
                await self.sql_author.act()
            else:
                await self.author.act()
        self.instruments.calm()
        self._repair_database()
        for owner in self.canaries:
            self.instruments.fail_sends(owner, 0)
        await asyncio.to_thread(wait_for, self._is_final, "the end", SETTLED_SECONDS)
        await self._heal()
        await self.author.close()
        await asyncio.to_thread(wait_for, self._is_final, "the end", SETTLED_SECONDS)
        wrong = await WorkerAtRest(self.instruments).discrepancies(self.canaries.keys())
        return [*wrong, *await self.sweep.leaks()]

    async def _heal(self) -> None:
        """Backfills find what was written by SQL."""
        for only in ("missing", "stale"):
            for owner in self.canaries:
                for table in ("claims", "articles"):
                    body = {"table": table, "only": only}
                    status, text = await self.ask(
                        owner, "POST", "/api/v1/embeddings/backfill", body
                    )
                    assert status == 202, text
            await asyncio.to_thread(wait_for, self._is_final, "the end", SETTLED_SECONDS)

    async def _rows(self, sql: str, *parameters: str) -> list[dict[str, Any]]:
        return self.instruments.sql(sql, *parameters)

    def _chaos(self) -> list[Callable[[], None]]:
        return [
            self._fail_model,
            self._fail_index,
            self._fail_sends,
            self._redeliver,
            self._break_database,
            self._repair_database,
            self._forget,
        ]

    def _fail_model(self) -> None:
        if self.random.random() < 0.5:
            self.instruments.fault("AI", "run", "error", self.random.choice(AI_ERRORS))
        else:
            self.instruments.fault("AI", "run", self.random.choice(UNUSABLE))
        self.instruments.fault("AI", "run", "error", "5006: invalid", match=POISON, count=5)

    def _fail_index(self) -> None:
        method = self.random.choice(["upsert", "deleteByIds"])
        kind = self.random.choice(HEARD_OR_NOT)
        message = self.random.choice(INDEX_ERRORS)
        self.instruments.fault(self.random.choice(INDEXES), method, kind, message)

    def _fail_sends(self) -> None:
        self.instruments.fail_sends(self.random.choice(list(self.canaries)))

    def _redeliver(self) -> None:
        """Messages of jobs in whatever state come again, in any order."""
        owner = self.random.choice(list(self.canaries))
        jobs = self.instruments.sql(
            "SELECT organization_id, scope, id FROM cognate_jobs WHERE organization_id = ?1 "
            "ORDER BY created_at DESC LIMIT 10",
            owner,
        )
        self.random.shuffle(jobs)
        messages = [
            {
                "type": "embedding",
                "version": 1,
                "organizationId": job["organization_id"],
                "scope": job["scope"],
                "jobId": job["id"],
            }
            for job in jobs
        ]
        if messages:
            self.instruments.send(*messages)

    def _break_database(self) -> None:
        """Results of one organization cannot be stored for a while."""
        owner = self.random.choice(list(self.canaries))
        self.instruments.sql(
            "CREATE TRIGGER IF NOT EXISTS chaos BEFORE UPDATE OF content_hash "
            f"ON cognate_embeddings WHEN NEW.organization_id = '{owner}' "
            "BEGIN SELECT RAISE(ABORT, 'out of reach'); END"
        )

    def _repair_database(self) -> None:
        self.instruments.sql("DROP TRIGGER IF EXISTS chaos")

    def _forget(self) -> None:
        """Minutes go by for what waits, and the sweeper comes."""
        owners = json.dumps(list(self.canaries))
        for table in ("cognate_jobs", "cognate_backfills"):
            self.instruments.sql(
                f"UPDATE {table} SET due_at = ?2 WHERE status IN ('queued', 'running') "  # noqa: S608 - two names
                "AND organization_id IN (SELECT value FROM json_each(?1))",
                owners,
                LONG_AGO,
            )
        self.instruments.sweep()

    def _is_final(self) -> bool:
        [row] = self.instruments.sql(
            "SELECT (SELECT COUNT(*) FROM cognate_jobs WHERE status IN ('queued', 'running')) + "
            "(SELECT COUNT(*) FROM cognate_backfills WHERE status = 'running') + "
            "(SELECT COUNT(*) FROM cognate_embeddings WHERE record_gone = 1) AS count"
        )
        if row["count"]:
            # What waits for its message gets it now, rather than in some minutes.
            self.instruments.sql(
                "UPDATE cognate_jobs SET due_at = ?1 WHERE status = 'queued' AND attempts = 0",
                LONG_AGO,
            )
            self.instruments.sql(
                "UPDATE cognate_backfills SET due_at = ?1 WHERE status = 'running'", LONG_AGO
            )
            self.instruments.sweep()
        return bool(row["count"] == 0)
