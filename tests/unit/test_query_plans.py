"""What is done again and again is found by a key: no statement walks over all jobs.

SQLite has no statistics in D1 and chooses an index by its form. Without a name or a unary plus in
the statement it may choose one that fits an organization and a status, and then read every job of
it: right in each test, and too slow with a million jobs.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cognate.backfill.needs import Selection
from cognate.backfill.rows import start_backfill
from cognate.enqueue import Posting, enqueue
from cognate.idempotency import IdempotencyKey
from cognate.ports import Statement
from cognate.replay import replay_job, replay_jobs
from tests.unit.core.stage import ACME, CLAIMS, SCHEMA, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row

WALKS = re.compile(
    # Whole tables of ours; and of an index nothing but the organization, the table, the status.
    r"SCAN (?:cognate_|[a-z]\b)"
    r"|INDEX \w*cognate_(?!jobs_waiting|jobs_announced|backfills_one_running)\w* "
    r"\(organization_id=\?"
    r"(?: AND scope=\?)?(?: AND status=\?)?\)"
)
LISTS = "ORDER BY f.created_at, f.id LIMIT"
COUNTS = "SELECT COUNT(*) AS jobs FROM cognate_jobs f"
"""Of a bulk replay: what it lists and counts is what was asked for."""


@dataclass
class ExplainedDatabase:
    """A database that explains each statement before it runs it."""

    inner: Database
    plans: dict[str, list[str]] = field(default_factory=dict)

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        for statement in statements:
            if statement.sql not in self.plans:
                explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
                [rows] = await self.inner.batch([explain])
                self.plans[statement.sql] = [row["detail"] for row in rows]
        return await self.inner.batch(statements)


def test_no_statement_of_the_daily_work_walks_over_all_jobs() -> None:
    """Of posting, embedding, failing, replaying, backfilling and sweeping."""

    async def story() -> dict[str, list[str]]:
        stage = Stage()
        database = ExplainedDatabase(stage.local.database)
        stage.with_database(database)
        await stage.rows(
            "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'c1', 'x')", ACME
        )
        key = IdempotencyKey.of("key", "post", {})
        postings = [Posting("a text"), Posting("a text", "claims", "c1")]
        stage.fault("run", "error", "5004: bad input", count=9)
        jobs = (await enqueue(stage.platform, SCHEMA, ACME, postings, key=key)).results
        await stage.drain()
        stage.local.bindings.faults.clear()
        await replay_job(stage.platform, ACME, str(jobs[0]))
        await replay_jobs(stage.platform, ACME)
        for selection in Selection:
            await start_backfill(stage.platform, ACME, CLAIMS, selection, None)
            await stage.drain()
        await stage.sweep()
        return database.plans

    plans = asyncio.run(story())
    walks = {
        sql: [line for line in plan if WALKS.search(line)]
        for sql, plan in plans.items()
        if LISTS not in sql and not sql.startswith(COUNTS)
    }
    assert len(plans) > 30
    assert {sql: lines for sql, lines in walks.items() if lines} == {}
