"""The routes of embedding jobs."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.api.application import Application
from cognate.models import DEFAULT_MODEL
from cognate.schema import Access, Cognate, Embeddings, Table
from tests.demonstration import Claim
from tests.stage.http import ADA, BOB
from tests.stage.http import ApiStage as Stage

POST = "/api/v1/embeddings"
JOBS = "/api/v1/embeddings/jobs"
READ_ONLY = Cognate(
    tables=[
        Table(
            "claims",
            Claim,
            embeddings=Embeddings(fields=["content"]),
            access=Access(update=["somebody_else"]),
        )
    ]
)


async def _failed(stage: Stage, count: int = 1, headers: dict[str, str] = ADA) -> list[str]:
    """Posts texts whose jobs fail, and returns the ids of the jobs."""
    ids = [
        (await stage.ask("POST", POST, {"content": "x"}, headers)).json["jobId"]
        for _ in range(count)
    ]
    stage.database.change(
        "UPDATE cognate_jobs SET status = 'failed', attempts = 3, "
        "error_message = 'It was refused.', error_code = 'AI_INPUT_REJECTED', "
        "completed_at = '2026-11-20T13:00:00.000Z'"
    )
    return ids


async def _list(stage: Stage, query: str = "", headers: dict[str, str] = ADA) -> dict[str, Any]:
    answer = await stage.ask("GET", f"{JOBS}?{query}", headers=headers)
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


async def test_jobs_are_listed_in_pages(stage: Stage) -> None:
    """A job in a list is equal to the job that is read alone."""
    ids = [(await stage.ask("POST", POST, {"content": "x"})).json["jobId"] for _ in range(3)]

    first = await _list(stage, "limit=2")
    rest = await _list(stage, f"limit=2&cursor={first['pagination']['nextCursor']}")

    assert first["pagination"] == {
        "count": 2,
        "limit": 2,
        "nextCursor": first["pagination"]["nextCursor"],
        "hasMore": True,
    }
    assert rest["pagination"] == {"count": 1, "limit": 2, "nextCursor": None, "hasMore": False}
    listed = first["data"] + rest["data"]
    assert {job["jobId"] for job in listed} == set(ids)
    assert listed == [(await stage.ask("GET", f"{JOBS}/{job['jobId']}")).json for job in listed]


async def test_jobs_are_listed_by_what_they_are(stage: Stage) -> None:
    """Filters select among the jobs of the caller's organization."""
    stage.add_claim("org_acme", "c1")
    [failed] = await _failed(stage)
    await _failed(stage, headers=BOB)
    queued = (await stage.ask("POST", POST, {"content": "x", "table": "claims", "id": "c1"})).json[
        "jobId"
    ]

    async def ids(query: str) -> list[str]:
        return [job["jobId"] for job in (await _list(stage, query))["data"]]

    assert sorted(await ids("")) == sorted([failed, queued])
    assert await ids("status=failed") == await ids("code=AI_INPUT_REJECTED") == [failed]
    assert await ids("table=claims") == await ids("table=claims&id=c1&status=queued") == [queued]
    assert await ids("table=claims&id=c2") == await ids("code=nothing") == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("limit=x", "?limit"),
        ("status=odd", "?status"),
        ("id=c1", "?id"),
        ("code=", "?code"),
        ("cursor=odd", "?cursor"),
        ("organizationId=org_globex", "?organizationId"),
        ("status=failed&status=done", "?status"),
    ],
)
async def test_broken_rules_are_pointed_at(stage: Stage, query: str, pointer: str) -> None:
    """An unknown parameter or value is refused."""
    answer = await stage.ask("GET", f"{JOBS}?{query}")

    assert answer.status == 400
    assert answer.pointers == [pointer]


async def test_a_table_that_is_not_there_has_no_jobs(stage: Stage) -> None:
    """The name of an unknown table is not found."""
    for answer in (
        await stage.ask("GET", f"{JOBS}?table=nothing"),
        await stage.ask("POST", f"{JOBS}/retry", {"table": "nothing"}),
    ):
        assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")


async def test_a_failed_job_is_tried_again(stage: Stage) -> None:
    """A failed job is retried once, and then conflicts because it is queued."""
    [job_id] = await _failed(stage)
    stage.queue.drop()

    answer = await stage.ask("POST", f"{JOBS}/{job_id}/retry")
    again = await stage.ask("POST", f"{JOBS}/{job_id}/retry")

    assert answer.status == 202
    assert answer.json == (await stage.ask("GET", f"{JOBS}/{job_id}")).json
    assert (answer.json["status"], answer.json["error"]) == ("queued", None)
    assert (again.status, again.code) == (409, "JOB_NOT_FAILED")
    assert [message["jobId"] for message in stage.queue.waiting] == [job_id]


async def test_failed_jobs_are_tried_again(stage: Stage) -> None:
    """The chosen failed jobs of the caller's organization are retried."""
    ids = await _failed(stage, 3)
    [foreign] = await _failed(stage, headers=BOB)

    none = await stage.ask("POST", f"{JOBS}/retry", {"code": "AI_TIMEOUT"})
    answer = await stage.ask("POST", f"{JOBS}/retry", {"code": "AI_INPUT_REJECTED"})

    assert none.json == {"retried": 0, "remaining": 0}
    assert (answer.status, answer.json) == (202, {"retried": 3, "remaining": 0})
    assert {(await stage.ask("GET", f"{JOBS}/{job_id}")).json["status"] for job_id in ids} == {
        "queued"
    }
    assert (await stage.ask("GET", f"{JOBS}/{foreign}", headers=BOB)).json["status"] == "failed"


async def test_a_job_can_be_watched(stage: Stage) -> None:
    """The id that a post returns finds the job."""
    stage.add_claim("org_acme", "c1")
    posted = await stage.ask("POST", POST, {"content": "x", "table": "claims", "id": "c1"})

    answer = await stage.ask("GET", f"{JOBS}/{posted.json['jobId']}")

    assert answer.status == 200
    assert answer.json == {
        "jobId": posted.json["jobId"],
        "status": "queued",
        "table": "claims",
        "id": "c1",
        "model": DEFAULT_MODEL,
        "attempts": 0,
        "error": None,
        "createdAt": "2026-11-20T12:00:00.000Z",
        "updatedAt": "2026-11-20T12:00:00.000Z",
        "completedAt": None,
    }


async def test_a_failed_job_says_why(stage: Stage) -> None:
    """A failed job has an error code and a sentence."""
    job_id = (await stage.ask("POST", POST, {"content": "x"})).json["jobId"]
    stage.database.change(
        "UPDATE cognate_jobs SET status = 'failed', attempts = 3, error_code = 'AI_CAPACITY', "
        "error_message = 'It was busy.', completed_at = '2026-11-20T13:00:00.000Z'"
    )

    job = (await stage.ask("GET", f"{JOBS}/{job_id}")).json

    assert (job["status"], job["attempts"]) == ("failed", 3)
    assert job["error"] == {"code": "AI_CAPACITY", "message": "It was busy."}
    assert job["completedAt"] == "2026-11-20T13:00:00.000Z"


async def test_a_job_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Except for the path, the answer is that of a job that never existed."""
    [job_id] = await _failed(stage)
    headers = {**BOB, "x-request-id": "same"}

    for method, suffix in (("GET", ""), ("POST", "/retry"), ("POST", "/dismiss")):
        foreign = await stage.ask(method, f"{JOBS}/{job_id}{suffix}", headers=headers)
        missing = await stage.ask(method, f"{JOBS}/job_missing{suffix}", headers=headers)
        assert foreign.status == missing.status == 404
        assert foreign.code == "JOB_NOT_FOUND"
        assert {**foreign.json, "instance": ""} == {**missing.json, "instance": ""}


async def test_a_failed_job_is_dismissed(stage: Stage) -> None:
    """A dismissed job cannot be retried, and only a failed job can be dismissed."""
    [job_id] = await _failed(stage)
    queued = (await stage.ask("POST", POST, {"content": "x"})).json["jobId"]

    answer = await stage.ask("POST", f"{JOBS}/{job_id}/dismiss")
    retried = await stage.ask("POST", f"{JOBS}/{job_id}/retry")
    refused = await stage.ask("POST", f"{JOBS}/{queued}/dismiss")

    assert (answer.status, answer.json["status"]) == (200, "dismissed")
    assert answer.json == (await stage.ask("GET", f"{JOBS}/{job_id}")).json
    assert (retried.status, retried.code) == (409, "JOB_NOT_FAILED")
    assert (refused.status, refused.code) == (409, "JOB_NOT_FAILED")
    assert [job["jobId"] for job in (await _list(stage, "status=dismissed"))["data"]] == [job_id]


async def test_failed_jobs_are_dismissed(stage: Stage) -> None:
    """The chosen failed jobs are dismissed, also those of a table that left the schema."""
    ids = await _failed(stage, 3)
    [foreign] = await _failed(stage, headers=BOB)

    none = await stage.ask("POST", f"{JOBS}/dismiss", {"code": "AI_TIMEOUT"})
    gone = await stage.ask("POST", f"{JOBS}/dismiss", {"table": "a_table_that_is_gone"})
    answer = await stage.ask("POST", f"{JOBS}/dismiss", {"code": "AI_INPUT_REJECTED"})

    assert none.json == gone.json == {"dismissed": 0, "remaining": 0}
    assert (answer.status, answer.json) == (200, {"dismissed": 3, "remaining": 0})
    assert {(await stage.ask("GET", f"{JOBS}/{job_id}")).json["status"] for job_id in ids} == {
        "dismissed"
    }
    assert (await stage.ask("GET", f"{JOBS}/{foreign}", headers=BOB)).json["status"] == "failed"


@pytest.mark.parametrize("path", ["", "/{}"])
async def test_who_may_not_change_a_table_dismisses_none_of_its_jobs(
    stage: Stage, path: str
) -> None:
    """To retry or dismiss jobs a caller needs the permission to update their table."""
    stage.application = Application(READ_ONLY)
    stage.add_claim("org_acme", "c1")
    stage.database.insert(
        "cognate_jobs",
        id="job_1",
        organization_id="org_acme",
        scope="claims",
        record_id="c1",
        source="insert",
        status="failed",
        due_at="",
        created_at="2026-11-20T12:00:00.000Z",
        updated_at="2026-11-20T12:00:00.000Z",
    )
    for action in ("retry", "dismiss"):
        answer = await stage.ask("POST", f"{JOBS}{path.format('job_1')}/{action}", {})

        assert (answer.status, answer.code) == (403, "ACCESS_DENIED")
