"""Conditions on which a record gets a job, as D1 decides them."""

from __future__ import annotations

import json

import pytest

from cognate.jobs.conditions import JobCondition, RecordIs, TokenOf
from cognate.ports import Statement
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage

RECORDS = ("live", "gone", "unknown", "theirs")


async def _chosen(stage: Stage, condition: JobCondition, token: str = "") -> list[str]:
    payload = json.dumps([{"record": name, "token": token} for name in RECORDS])
    sql = f"SELECT value ->> 'record' AS id FROM json_each(?3) WHERE {condition.sql(CLAIMS)} AND ?2"  # noqa: S608 - the condition under test
    [rows] = await stage.local.database.batch(
        [Statement(sql.replace("AND ?2", "AND ?2 IS NOT NULL"), (ACME, "claims", payload))]
    )
    return [row["id"] for row in rows]


async def _stage() -> Stage:
    """A living record, a deleted one whose vectors are there, and one of another organization."""
    stage = Stage()
    for organization, record_id in ((ACME, "live"), (ACME, "gone"), (GLOBEX, "theirs")):
        await stage.write(organization, record_id, "a text")
    await stage.drain()
    await stage.rows("DELETE FROM claims WHERE id = 'gone'")
    return stage


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RecordIs.ANY, list(RECORDS)),
        (RecordIs.LIVE, ["live"]),
        (RecordIs.GONE, ["gone"]),
        (RecordIs.ABANDONED, []),
    ],
)
async def test_a_record_is_what_it_must_be(record: RecordIs, expected: list[str]) -> None:
    """Within the organization only."""
    assert await _chosen(await _stage(), JobCondition(record)) == expected


async def test_a_text_that_was_never_embedded_is_abandoned_once_nothing_embeds_it() -> None:
    """An open or failed job still stands for it."""
    stage = Stage()
    await stage.write(ACME, "live", "a text")
    with_job = await _chosen(stage, JobCondition(RecordIs.ABANDONED))
    await stage.rows("UPDATE cognate_jobs SET status = 'dismissed', completed_at = ''")

    assert with_job == []
    assert await _chosen(stage, JobCondition(RecordIs.ABANDONED)) == ["live"]


async def test_a_written_record_has_the_time_of_the_request() -> None:
    """Whoever lost a race finds another time."""
    stage = await _stage()
    await stage.rows("UPDATE claims SET updated_at = 'mine' WHERE id = 'live'")

    assert await _chosen(stage, JobCondition(RecordIs.WRITTEN), "mine") == ["live"]
    assert await _chosen(stage, JobCondition(RecordIs.WRITTEN), "theirs") == []


@pytest.mark.parametrize(
    ("token", "sql"),
    [
        (
            TokenOf.KEY,
            (
                "INSERT INTO cognate_idempotency_keys (organization_id, key, request_hash, token, "
                "created_at) VALUES (?1, 'k', '', 't', '')"
            ),
        ),
        (
            TokenOf.BACKFILL,
            (
                "INSERT INTO cognate_backfills (id, organization_id, scope, selection, status, "
                "token, due_at, created_at, updated_at) "
                "VALUES ('b', ?1, 'claims', 'all', 'running', 't', '', '', '')"
            ),
        ),
    ],
)
async def test_of_two_requests_one_holds_the_token(token: TokenOf, sql: str) -> None:
    """In its own organization."""
    found = []
    for organization in (ACME, GLOBEX):
        stage = Stage()
        await stage.rows(sql, organization)
        found += [
            await _chosen(stage, JobCondition(token=token), name) for name in ("t", "another")
        ]

    assert found == [list(RECORDS), [], [], []]
