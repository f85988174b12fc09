"""One demo organization as its frontend would use the API, for stories that read as such."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.running.seed import DemoOrganization

if TYPE_CHECKING:
    import httpx

STORY_ORGANIZATIONS: Final = (
    DemoOrganization("quokka", "Quokka Courier", "Quinn"),
    DemoOrganization("narwhal", "Narwhal Press", "Nora"),
)
"""Two newsrooms of the story's own: no other test writes for them."""

PATIENCE_SECONDS: Final = 60.0
"""How long an outcome of the queue is waited for; it usually takes two."""

FINAL: Final = {"done", "failed", "superseded", "dismissed"}


@dataclass(frozen=True)
class Organization:
    """A signed-in member of an organization."""

    http: httpx.Client
    demo: DemoOrganization

    @property
    def headers(self) -> dict[str, str]:
        """What proves who asks."""
        return {"authorization": f"Bearer {self.demo.session_token}"}

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET below `/api/v1`."""
        return self.http.get(f"/api/v1{path}", headers=self.headers, **options)

    def post(self, path: str, body: Any) -> httpx.Response:
        """POST below `/api/v1`."""
        return self.http.post(f"/api/v1{path}", headers=self.headers, json=body)

    def patch(self, path: str, body: Any) -> httpx.Response:
        """PATCH below `/api/v1`."""
        return self.http.patch(f"/api/v1{path}", headers=self.headers, json=body)

    def delete(self, path: str) -> httpx.Response:
        """DELETE below `/api/v1`."""
        return self.http.delete(f"/api/v1{path}", headers=self.headers)

    def write(self, table: str, **record: Any) -> str:
        """Create a record and wait until everything queued for it is final; its id."""
        answer = self.post(f"/{table}", record)
        assert answer.status_code == 201, answer.text
        record_id: str = answer.json()["id"]
        self.settle(table, record_id)
        return record_id

    def settle(self, table: str, record_id: str) -> None:
        """Wait until every job of a record is final."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            jobs = self.get("/embeddings/jobs", params={"table": table, "id": record_id}).json()
            open_jobs = [job for job in jobs["data"] if job["status"] not in FINAL]
            if jobs["data"] and not open_jobs:
                return
            assert time.monotonic() < deadline, f"still open: {open_jobs}"

    def job(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is final; the job."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.get(f"/embeddings/jobs/{job_id}")
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            if job["status"] in FINAL:
                return job
            assert time.monotonic() < deadline, f"still {job['status']}: {job}"

    def search(self, service: str, query: str, **options: Any) -> dict[str, Any]:
        """The answer of a similarity search."""
        answer = self.post(f"/similarity/{service}/search", {"query": query, **options})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
