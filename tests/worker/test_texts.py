"""Posted texts and failed jobs can be given up, in the real runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.ids import vector_key
from cognate.models import DEFAULT_MODEL
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization


def _near(organization: Organization) -> list[str]:
    answer = organization.post("/vectors/query", {"query": "A text that was posted"})
    assert answer.status_code == 200, answer.text
    return [match["id"] for match in answer.json()["matches"]]


def _vectors(instrumented: Instruments, organization: Organization, job_id: str) -> list[str]:
    key = vector_key(organization.demo.id, f"_texts:{DEFAULT_MODEL}", job_id)
    return [found for found in instrumented.vectors("VECTORIZE") if found.startswith(key)]


def test_a_posted_text_is_deleted_with_its_vectors(instrumented: Instruments) -> None:
    """No search finds it from then on; its vectors are gone when a job has run."""
    organization = instrumented.organization("texts-delete")
    answer = organization.post("/embeddings", {"content": "A text that was posted"})
    job_id = answer.json()["jobId"]
    organization.job(job_id)
    assert _near(organization) == [job_id]
    assert len(_vectors(instrumented, organization, job_id)) == 1
    assert organization.get(f"/embeddings/texts/{job_id}").json()["jobId"] == job_id

    deleted = organization.delete(f"/embeddings/texts/{job_id}")

    assert (deleted.status_code, deleted.json()) == (200, {"success": True})
    assert _near(organization) == []
    assert organization.get(f"/embeddings/texts/{job_id}").status_code == 404
    wait_for(lambda: not _vectors(instrumented, organization, job_id), "the removal of its vectors")


def test_the_job_of_a_text_is_answered_though_its_row_is_gone(instrumented: Instruments) -> None:
    """A match never names an id that is a 404."""
    organization = instrumented.organization("texts-old")
    answer = organization.post("/embeddings", {"content": "A text that was posted"})
    job_id = answer.json()["jobId"]
    organization.job(job_id)
    instrumented.sql(
        "UPDATE cognate_jobs SET completed_at = '2020-01-01T00:00:00.000Z' WHERE id = ?1", job_id
    )
    instrumented.sweep()
    assert instrumented.sql("SELECT id FROM cognate_jobs WHERE id = ?1", job_id) == []

    assert [organization.job(match)["status"] for match in _near(organization)] == ["done"]


def test_a_failed_job_is_dismissed(instrumented: Instruments) -> None:
    """It counts as failed no more."""
    organization = instrumented.organization("jobs-dismiss")
    instrumented.fault("AI", "run", message="5004: bad input", count=100, match="unreadable")
    organization.write("claims", id="c1", content="An unreadable claim")
    assert organization.get("/embeddings/coverage").json()["tables"][0]["failed"] == 1

    answer = organization.post("/embeddings/jobs/dismiss", {"table": "claims"})

    assert (answer.status_code, answer.json()) == (200, {"dismissed": 1, "remaining": 0})
    claims = organization.get("/embeddings/coverage").json()["tables"][0]
    assert (claims["failed"], claims["missing"]) == (0, 1)


def test_old_texts_expire_by_the_setting(instrumented: Instruments) -> None:
    """Only where it is set."""
    organization = instrumented.organization("texts-expire")
    answer = organization.post("/embeddings", {"content": "A text that was posted"})
    job_id = answer.json()["jobId"]
    organization.job(job_id)
    instrumented.sql(
        "UPDATE cognate_texts SET created_at = '2020-01-01T00:00:00.000Z' WHERE id = ?1", job_id
    )
    instrumented.sweep()
    assert organization.get(f"/embeddings/texts/{job_id}").status_code == 200

    instrumented.ask("sweeper", {"variables": {"TEXT_RETENTION_DAYS": "90"}})

    assert organization.get(f"/embeddings/texts/{job_id}").status_code == 404
