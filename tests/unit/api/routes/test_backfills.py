"""The backfill routes."""

from __future__ import annotations

import pytest

from tests.stage.http import BOB
from tests.stage.http import ApiStage as Stage

BACKFILL = "/api/v1/embeddings/backfill"


async def test_a_backfill_is_started_and_watched(stage: Stage) -> None:
    """Starting a backfill sends the message of its first step."""
    answer = await stage.ask("POST", BACKFILL, {"table": "claims", "rate": 60})

    backfill = answer.json["backfillId"]
    assert answer.status == 202
    assert answer.json == {
        "backfillId": backfill,
        "table": "claims",
        "only": "missing",
        "status": "running",
        "rate": 60,
        "scanned": 0,
        "queued": 0,
        "error": None,
        "createdAt": "2026-11-20T12:00:00.000Z",
        "updatedAt": "2026-11-20T12:00:00.000Z",
        "completedAt": None,
    }
    assert (await stage.ask("GET", f"{BACKFILL}/{backfill}")).json == answer.json
    assert (await stage.ask("GET", BACKFILL)).json == {
        "data": [answer.json],
        "pagination": {"count": 1, "limit": 50, "nextCursor": None, "hasMore": False},
    }
    assert stage.queue.waiting == [
        {"type": "backfill", "version": 1, "backfillId": backfill, "scope": "claims", "step": 0}
    ]


async def test_a_table_has_one_backfill_at_a_time(stage: Stage) -> None:
    """A second start returns the running backfill if it is the same, else it conflicts."""
    first = await stage.ask("POST", BACKFILL, {"table": "claims"})

    same = await stage.ask("POST", BACKFILL, {"table": "claims", "only": "missing"})
    other = await stage.ask("POST", BACKFILL, {"table": "claims", "only": "all"})

    assert (same.status, same.json) == (202, first.json)
    assert (other.status, other.code) == (409, "BACKFILL_RUNNING")
    ended = await stage.ask("POST", f"{BACKFILL}/{first.json['backfillId']}/cancel")
    assert (ended.status, ended.json["status"]) == (200, "cancelled")
    assert (await stage.ask("POST", BACKFILL, {"table": "claims", "only": "all"})).status == 202


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/table"]),
        ({"table": "claims", "only": "some"}, ["/only"]),
        ({"table": "claims", "rate": 0}, ["/rate"]),
        ({"table": "claims", "rate": 6001}, ["/rate"]),
        ({"table": "claims", "rate": 1.5}, ["/rate"]),
        ({"table": "claims", "organizationId": "org_globex"}, ["/organizationId"]),
    ],
)
async def test_broken_rules_are_pointed_at(
    stage: Stage, body: dict[str, object], pointers: list[str]
) -> None:
    """An invalid request names its fields and starts nothing."""
    assert (await stage.ask("POST", BACKFILL, body)).pointers == pointers
    assert stage.queue.waiting == []


@pytest.mark.parametrize("table", ["nothing", "notes", "user", "cognate_jobs"])
async def test_only_tables_with_embeddings_are_walked_over(stage: Stage, table: str) -> None:
    """A table without embeddings is not found."""
    answer = await stage.ask("POST", BACKFILL, {"table": table})

    assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")


async def test_a_backfill_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Except for the path, the answer is that of a backfill that never existed."""
    backfill = (await stage.ask("POST", BACKFILL, {"table": "claims"})).json["backfillId"]
    headers = {**BOB, "x-request-id": "same"}

    for method, suffix in (("GET", ""), ("POST", "/cancel")):
        foreign = await stage.ask(method, f"{BACKFILL}/{backfill}{suffix}", headers=headers)
        missing = await stage.ask(method, f"{BACKFILL}/backfill_missing{suffix}", headers=headers)
        assert foreign.status == missing.status == 404
        assert foreign.code == "BACKFILL_NOT_FOUND"
        assert {**foreign.json, "instance": ""} == {**missing.json, "instance": ""}
    assert (await stage.ask("GET", BACKFILL, headers=BOB)).json["data"] == []
    assert (await stage.ask("GET", f"{BACKFILL}/{backfill}")).json["status"] == "running"


async def test_a_failed_backfill_says_why(stage: Stage) -> None:
    """A failed backfill has an error code and a sentence."""
    backfill = (await stage.ask("POST", BACKFILL, {"table": "claims"})).json["backfillId"]
    stage.database.change(
        "UPDATE cognate_backfills SET status = 'failed', error_code = 'TABLE_UNKNOWN', "
        "error_message = 'It is gone.', completed_at = '2026-11-20T13:00:00.000Z'"
    )

    answer = (await stage.ask("GET", f"{BACKFILL}/{backfill}")).json

    assert answer["error"] == {"code": "TABLE_UNKNOWN", "message": "It is gone."}
    assert answer["completedAt"] == "2026-11-20T13:00:00.000Z"
