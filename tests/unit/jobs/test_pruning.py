"""Old jobs are removed: finished ones, and failed ones that nothing can replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stage.platform import ACME, Stage
from tests.steps import steps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

RETENTION_SECONDS = 30 * 24 * 3600


async def _messages(stage: Stage, *messages: object) -> None:
    for message in messages:
        await stage.local.queue.send([message])  # type: ignore[list-item]  # of any kind
    await stage.drain()


async def test_what_nothing_can_replay_is_removed_after_the_retention() -> None:
    """Messages that made no sense, whoever sent them, and jobs of tables that are gone."""
    stage = Stage()
    stage.fault("run", "error", "5004: bad input", count=9)
    for record in ("kept", "gone"):
        await stage.write(ACME, record, "a bad text")
    await stage.post(ACME, "a bad text of no table")
    await _messages(
        stage, {"type": "odd"}, {"type": "embedding", "organizationId": ACME, "content": 7}
    )
    await stage.rows("UPDATE cognate_jobs SET scope = 'old' WHERE record_id = 'gone'")
    seen: list[Sequence[str]] = [await stage.jobs()]
    stage.local.clock.advance(RETENTION_SECONDS)
    await stage.sweep()
    seen.append(await stage.jobs())
    stage.local.clock.advance(0.001)
    await stage.sweep()
    rows = await stage.rows("SELECT scope FROM cognate_jobs ORDER BY scope")
    before, at_once, after = [*seen, [row["scope"] for row in rows]]
    assert before == at_once == ["failed"] * 5
    assert after == ["_texts:@cf/baai/bge-base-en-v1.5", "claims"]


async def _steps_of_a_sweep(count: int) -> int:
    """Count the steps of SQLite in a sweep beside so many failed jobs."""
    stage = Stage()
    await stage.rows(
        "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, "
        "due_at, created_at, updated_at, completed_at) WITH RECURSIVE n (i) AS (SELECT 1 "
        "UNION ALL SELECT i + 1 FROM n WHERE i < CAST(?1 AS INTEGER)) SELECT 'job_' || i, "
        "'org', 'claims', 'r' || i, 'write', 'failed', '', '', '', '2020' FROM n",
        str(count),
    )
    return await steps_of(stage.local.database, stage.sweep)


async def test_failed_jobs_that_are_kept_are_not_looked_at() -> None:
    """However many there are, and however old."""
    assert await _steps_of_a_sweep(5000) < 1.2 * await _steps_of_a_sweep(10)
