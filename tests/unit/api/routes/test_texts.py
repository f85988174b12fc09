"""The routes of posted texts."""

from __future__ import annotations

from cognate.models import DEFAULT_MODEL
from tests.stage.http import BOB
from tests.stage.http import ApiStage as Stage

POST = "/api/v1/embeddings"
TEXTS = "/api/v1/embeddings/texts"


async def test_a_text_is_shown_by_the_id_of_its_job(stage: Stage) -> None:
    """The answer has the text and the model that embeds it."""
    job_id = (await stage.ask("POST", POST, {"content": "A text"})).json["jobId"]

    answer = await stage.ask("GET", f"{TEXTS}/{job_id}")

    assert answer.status == 200
    assert answer.json == {
        "jobId": job_id,
        "content": "A text",
        "model": DEFAULT_MODEL,
        "createdAt": "2026-11-20T12:00:00.000Z",
        "embeddedAt": None,
    }


async def test_a_text_is_deleted_once(stage: Stage) -> None:
    """A deleted text is not found, and a job removes its vectors."""
    job_id = (await stage.ask("POST", POST, {"content": "A text"})).json["jobId"]

    answer = await stage.ask("DELETE", f"{TEXTS}/{job_id}")
    again = await stage.ask("DELETE", f"{TEXTS}/{job_id}")
    shown = await stage.ask("GET", f"{TEXTS}/{job_id}")

    assert (answer.status, answer.json) == (200, {"success": True})
    assert (again.status, again.code) == (404, "TEXT_NOT_FOUND")
    assert (shown.status, shown.code) == (404, "TEXT_NOT_FOUND")


async def test_a_match_names_a_job_that_can_be_asked_for(stage: Stage) -> None:
    """The job and the text are found after the row of the job is pruned."""
    stage.add_embedded_text("org_acme", "job_old", DEFAULT_MODEL)

    answer = await stage.ask("POST", "/api/v1/vectors/query", {"query": "A text"})
    [match] = answer.json["matches"]
    job = await stage.ask("GET", f"{POST}/jobs/{match['id']}")
    text = await stage.ask("GET", f"{TEXTS}/{match['id']}")

    assert (job.status, job.json["status"], job.json["model"]) == (200, "done", DEFAULT_MODEL)
    assert (text.status, text.json["content"]) == (200, "text")


async def test_a_text_of_another_organization_does_not_exist(stage: Stage) -> None:
    """Except for the path, the answer is that of a text that never existed."""
    job_id = (await stage.ask("POST", POST, {"content": "A text"})).json["jobId"]
    headers = {**BOB, "x-request-id": "same"}

    for method in ("GET", "DELETE"):
        foreign = await stage.ask(method, f"{TEXTS}/{job_id}", headers=headers)
        missing = await stage.ask(method, f"{TEXTS}/job_missing", headers=headers)
        assert foreign.status == missing.status == 404
        assert {**foreign.json, "instance": ""} == {**missing.json, "instance": ""}
    assert (await stage.ask("GET", f"{TEXTS}/{job_id}")).status == 200
