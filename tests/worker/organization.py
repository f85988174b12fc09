"""One demo organization as its frontend would use the API, for stories that read as such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.demo.organizations import DemoOrganization
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    import httpx

STORY_ORGANIZATIONS: Final = (
    DemoOrganization("quokka", "Quokka Courier", "Quinn"),
    DemoOrganization("narwhal", "Narwhal Press", "Nora"),
)
"""Two newsrooms of the story's own: no other test writes for them."""

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

        def are_final() -> bool:
            query = {"table": table, "id": record_id}
            jobs = self.get("/embeddings/jobs", params=query).json()["data"]
            return bool(jobs) and all(job["status"] in FINAL for job in jobs)

        wait_for(are_final, f"the end of the jobs of {table}/{record_id}")

    def job(self, job_id: str) -> dict[str, Any]:
        """Wait until a job is final; the job."""

        def final() -> dict[str, Any] | None:
            answer = self.get(f"/embeddings/jobs/{job_id}")
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            return job if job["status"] in FINAL else None

        return wait_for(final, f"the end of job {job_id}")

    def search(self, service: str, query: str, **options: Any) -> dict[str, Any]:
        """The answer of a similarity search."""
        answer = self.post(f"/similarity/{service}/search", {"query": query, **options})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
