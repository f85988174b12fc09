"""Posting texts and watching jobs over HTTP."""

from __future__ import annotations

import pytest

from cognate.api.wire import MAX_TEXT_CHARACTERS
from cognate.models import DEFAULT_MODEL
from tests.unit.api.stage import BOB, Stage

POST = "/api/v1/embeddings"
JOBS = "/api/v1/embeddings/jobs"


def test_a_text_is_queued(stage: Stage) -> None:
    """What was not given is null."""
    answer = stage.ask("POST", POST, {"content": "a text"})

    job_id = answer.json["jobId"]
    assert answer.status == 202
    assert answer.json == {
        "queued": True,
        "jobId": job_id,
        "table": None,
        "id": None,
        "model": None,
    }
    assert [message["jobId"] for message in stage.queue.messages] == [job_id]


def test_a_record_is_queued(stage: Stage) -> None:
    """What was given is repeated."""
    stage.add_claim("org_acme", "c1")
    body = {"content": "a text", "table": "claims", "id": "c1", "model": DEFAULT_MODEL}

    answer = stage.ask("POST", POST, body)

    assert answer.status == 202
    assert answer.json == {"queued": True, "jobId": answer.json["jobId"], **without_content(body)}


def without_content(body: dict[str, str]) -> dict[str, str]:
    """What the answer repeats."""
    return {name: value for name, value in body.items() if name != "content"}


def test_explicit_nulls_are_not_given(stage: Stage) -> None:
    """A client may send all its fields."""
    body = {"content": "a text", "table": None, "id": None, "model": None}

    assert stage.ask("POST", POST, body).status == 202


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/content"]),
        ({"content": None}, ["/content"]),
        ({"content": 5}, ["/content"]),
        ({"content": " \n"}, ["/content"]),
        ({"content": "x" * (MAX_TEXT_CHARACTERS + 1)}, ["/content"]),
        ({"content": "x", "table": "claims"}, ["/id"]),
        ({"content": "x", "id": "c1"}, ["/id"]),
        ({"content": "x", "table": "", "id": ""}, ["/table", "/id"]),
        ({"content": "x", "table": 1, "id": 2}, ["/table", "/id"]),
        ({"content": "x", "organizationId": "org_globex"}, ["/organizationId"]),
        ({"content": "x", "organization_id": "org_globex"}, ["/organization_id"]),
        ({"content": "x", "model": "@cf/nobody/nothing"}, ["/model"]),
        ({"content": "x", "model": ["a"]}, ["/model"]),
    ],
)
def test_broken_rules_are_pointed_at(
    stage: Stage, body: dict[str, object], pointers: list[str]
) -> None:
    """And nothing is queued."""
    answer = stage.ask("POST", POST, body)

    assert answer.status == 400
    assert answer.pointers == pointers
    assert stage.queue.messages == []


def test_a_record_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Status and body are those of a record that never was."""
    stage.add_claim("org_acme", "c1")

    def ask(record_id: str) -> tuple[int, dict[str, object]]:
        body = {"content": "x", "table": "claims", "id": record_id}
        answer = stage.ask("POST", POST, body, {**BOB, "x-request-id": "same"})
        return answer.status, answer.json

    assert ask("c1") == ask("c2")
    assert ask("c1")[0] == 404
    assert stage.queue.messages == []


@pytest.mark.parametrize("table", ["nothing", "user", "session", "cognate_jobs", "notes", "Claims"])
def test_only_tables_with_embeddings_take_texts(stage: Stage, table: str) -> None:
    """Others are not there, whatever else the database holds."""
    answer = stage.ask("POST", POST, {"content": "x", "table": table, "id": "1"})

    assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")


def test_another_model_than_the_tables_is_refused(stage: Stage) -> None:
    """Their vectors could not be compared."""
    stage.add_claim("org_acme", "c1")
    body = {"content": "x", "table": "claims", "id": "c1", "model": "@cf/baai/bge-m3"}

    answer = stage.ask("POST", POST, body)

    assert (answer.status, answer.code) == (422, "MODEL_MISMATCH")
    assert DEFAULT_MODEL in answer.json["detail"]


def test_a_queue_in_an_outage_loses_nothing(stage: Stage) -> None:
    """The job is there; its message follows later."""
    stage.queue.fails = True

    answer = stage.ask("POST", POST, {"content": "x"})

    assert answer.status == 202
    assert stage.ask("GET", f"{JOBS}/{answer.json['jobId']}").json["status"] == "queued"


def test_tables_with_embeddings_are_listed(stage: Stage) -> None:
    """With exactly these keys, and without tables that embed nothing."""
    answer = stage.ask("GET", "/api/v1/embeddings/tables")

    assert answer.json == {
        "tables": [{"name": "claims", "embeddingColumn": "embedding", "model": DEFAULT_MODEL}]
    }


def test_a_job_can_be_watched(stage: Stage) -> None:
    """From the id that the post answered."""
    stage.add_claim("org_acme", "c1")
    posted = stage.ask("POST", POST, {"content": "x", "table": "claims", "id": "c1"})

    answer = stage.ask("GET", f"{JOBS}/{posted.json['jobId']}")

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


def test_a_failed_job_says_why(stage: Stage) -> None:
    """By a stable code and a sentence."""
    job_id = stage.ask("POST", POST, {"content": "x"}).json["jobId"]
    stage.database.change(
        "UPDATE cognate_jobs SET status = 'failed', attempts = 3, error_code = 'AI_CAPACITY', "
        "error_message = 'It was busy.', completed_at = '2026-11-20T13:00:00.000Z'"
    )

    job = stage.ask("GET", f"{JOBS}/{job_id}").json

    assert (job["status"], job["attempts"]) == ("failed", 3)
    assert job["error"] == {"code": "AI_CAPACITY", "message": "It was busy."}
    assert job["completedAt"] == "2026-11-20T13:00:00.000Z"


def test_a_job_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Its answer differs from that of no job in nothing but the path that was asked."""
    job_id = stage.ask("POST", POST, {"content": "x"}).json["jobId"]
    headers = {**BOB, "x-request-id": "same"}

    foreign = stage.ask("GET", f"{JOBS}/{job_id}", headers=headers)
    missing = stage.ask("GET", f"{JOBS}/job_missing", headers=headers)

    assert foreign.status == missing.status == 404
    assert foreign.code == "JOB_NOT_FOUND"
    assert {**foreign.json, "instance": ""} == {**missing.json, "instance": ""}
