"""Failed jobs are seen and tried again, and requests are done once, in the Worker itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

REFUSED = "5004: Invalid input"


def _failed(instrumented: Instruments, organization: Organization, count: int) -> list[str]:
    """Posted texts that Workers AI refuses; the ids of their jobs."""
    word = f"unspeakable-{organization.demo.slug}"
    instrumented.fault("AI", "run", "error", REFUSED, count=1000, match=word)
    items = [{"content": f"{word} {number}"} for number in range(count)]
    results = organization.post("/embeddings/batch", {"items": items}).json()["results"]
    ids = [result["jobId"] for result in results]
    assert [organization.job(job_id)["status"] for job_id in ids] == ["failed"] * count
    return ids


def test_failed_jobs_are_listed_by_their_code_and_tried_again(instrumented: Instruments) -> None:
    """Once the cause is mended they are done; nobody else's are touched."""
    organization = instrumented.organization("jobs-replay")
    other = instrumented.organization("jobs-replay-other")
    ids = _failed(instrumented, organization, 3)
    [foreign] = _failed(instrumented, other, 1)
    instrumented.calm()

    query: dict[str, str | int] = {"status": "failed", "code": "AI_INPUT_REJECTED", "limit": 2}
    first = organization.get("/embeddings/jobs", params=query).json()
    rest = organization.get(
        "/embeddings/jobs", params={**query, "cursor": first["pagination"]["nextCursor"]}
    ).json()
    assert {job["jobId"] for job in first["data"] + rest["data"]} == set(ids)
    assert (first["pagination"]["hasMore"], rest["pagination"]["hasMore"]) == (True, False)

    one = organization.post(f"/embeddings/jobs/{ids[0]}/retry", None)
    assert (one.status_code, one.json()["jobId"]) == (202, ids[0])
    assert organization.job(ids[0])["status"] == "done"
    conflict = organization.post(f"/embeddings/jobs/{ids[0]}/retry", None)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "JOB_NOT_FAILED")
    others = organization.post("/embeddings/jobs/retry", {"code": "AI_INPUT_REJECTED"})
    assert (others.status_code, others.json()) == (202, {"retried": 2, "remaining": 0})
    assert [organization.job(job_id)["status"] for job_id in ids] == ["done"] * 3
    assert other.job(foreign)["status"] == "failed"


def test_requests_at_once_under_one_key_are_done_once(instrumented: Instruments) -> None:
    """All have the same answer; another text under the key is a conflict."""
    organization = instrumented.organization("jobs-key")
    headers = {**organization.headers, "idempotency-key": "only-once"}

    def post(body: dict[str, Any]) -> httpx.Response:
        return organization.http.post("/api/v1/embeddings", headers=headers, json=body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, [{"content": "A text that is sent again and again"}] * 8))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None] + ["true"] * 7
    other = post({"content": "Another text"})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert organization.job(answers[0].json()["jobId"])["status"] == "done"
    listed = organization.get("/embeddings/jobs").json()["data"]
    assert [job["jobId"] for job in listed] == [answers[0].json()["jobId"]]


def test_a_batch_has_a_result_for_each_item(instrumented: Instruments) -> None:
    """The good ones are embedded beside those that are refused."""
    organization = instrumented.organization("jobs-batch")
    instrumented.sql(
        "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'c1', 'A claim')",
        organization.demo.id,
    )
    items = [
        {"content": "A text of no table"},
        {"content": "A text for the claim", "table": "claims", "id": "c1"},
        {"content": "A text for nothing", "table": "claims", "id": "missing"},
        {"content": " "},
    ]

    answer = organization.post("/embeddings/batch", {"items": items})

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [202, 202, 404, 400]
    assert [result["error"]["code"] for result in results[2:]] == [
        "RECORD_NOT_FOUND",
        "VALIDATION_FAILED",
    ]
    for result in results[:2]:
        assert organization.job(result["jobId"])["status"] == "done"
