"""Vectors of records that were deleted by SQL are removed; nothing is removed twice."""

from __future__ import annotations

import pytest

from cognate.jobs.removals import MAX_REMOVALS_PER_RUN
from tests.stage.platform import ACME, GLOBEX, Stage, long_text
from tests.unit.embedding.test_finish import worker_of


async def test_the_vectors_of_records_deleted_by_sql_are_removed() -> None:
    """All their chunks, in their organization only, and then nobody remembers them."""
    stage = Stage()
    for organization in (ACME, GLOBEX):
        await stage.write(organization, "r1", long_text(3))
    await stage.settle()
    await stage.rows("DELETE FROM claims WHERE organization_id = ?1", ACME)

    await stage.sweep()
    await stage.settle()

    assert await stage.discrepancies() == []
    owners = await stage.rows("SELECT organization_id FROM cognate_embeddings")
    assert owners == [{"organization_id": GLOBEX}]


async def test_a_deletion_by_the_api_is_no_business_of_the_sweeper() -> None:
    """It has its own job, before and after that one is done."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.delete(ACME, "r1")
    assert (await stage.state(ACME, "r1"))["record_gone"] == 0
    await stage.sweep()
    await stage.settle()
    await stage.sweep()
    assert await stage.jobs() == ["done", "done"]


@pytest.mark.parametrize("gives_up", [False, True], ids=["failed", "dismissed"])
async def test_a_failed_job_of_an_earlier_text_holds_no_removal_up(gives_up: bool) -> None:  # noqa: FBT001 - a parameter
    """The record was deleted by SQL after its job had failed: the vectors it had go."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(2))
    await stage.settle()
    stage.fault("run", "error", "5004: bad input", count=9)
    failed = await stage.write(ACME, "r1", "a text that is refused")
    await stage.drain()
    assert await stage.status(failed) == "failed"
    if gives_up:
        await stage.rows("UPDATE cognate_jobs SET status = 'dismissed' WHERE id = ?1", failed)
    await stage.rows("DELETE FROM claims")

    await stage.sweep()
    await stage.settle()

    assert stage.vector_ids(ACME, "r1") == []
    assert await stage.discrepancies() == []


async def test_a_removal_that_failed_waits_for_its_owner() -> None:
    """The sweeper does not queue another one each minute."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.rows("DELETE FROM claims")
    stage.local.clock.advance(60)
    await stage.sweep()
    await stage.rows(
        "UPDATE cognate_jobs SET status = 'failed', completed_at = updated_at "
        "WHERE source = 'sweeper'"
    )

    await stage.sweep()
    await stage.sweep()

    assert await stage.jobs() == ["done", "failed"]


async def test_a_record_that_is_there_again_is_not_removed() -> None:
    """It was deleted and made again by SQL: a backfill of stale records embeds it."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.rows("DELETE FROM claims")
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'r1', 'x')", ACME
    )
    await stage.sweep()
    assert len(await stage.jobs()) == 1


async def test_a_result_that_was_under_way_is_outdated() -> None:
    """Its consumer read the record before it was deleted, and stores after the removal."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.write(ACME, "r1", long_text(2))
    slow, _ = worker_of(stage)
    await slow.step()
    await stage.rows("DELETE FROM claims")
    await stage.sweep()
    await stage.drain()
    await slow.finish()
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_run_queues_a_bounded_number() -> None:
    """The rest waits for the next minute."""
    stage = Stage()
    await stage.rows(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
        "revision, record_gone) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL "
        "SELECT n + 1 FROM n WHERE n < CAST(?2 AS INTEGER)) "
        "SELECT ?1, 'claims', 'c' || n, 'key' || n, 1, 1 FROM n",
        ACME,
        str(MAX_REMOVALS_PER_RUN + 20),
    )
    counts = []
    for _ in range(3):
        await stage.sweep()
        counts.append(len(await stage.jobs()))
    assert counts == [
        MAX_REMOVALS_PER_RUN,
        MAX_REMOVALS_PER_RUN + 20,
        MAX_REMOVALS_PER_RUN + 20,
    ]
