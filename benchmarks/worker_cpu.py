"""`make bench`: the CPU time of workerd for requests and for a queue batch of a hundred texts.

The time is that of the whole workerd process, so it includes the share of wrangler and Miniflare.
Compare the rows with each other, and with `GET /healthz`, which does nothing. Each row is the
median of several rounds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.running.workerd_processes import workerd_processes

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 7
REQUESTS_PER_ROUND: Final = 20
TEXTS: Final = 100
TICKS: Final = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS: Final = 60.0


def main() -> int:
    """Measure and print a table."""
    with (
        tempfile.TemporaryDirectory() as state,
        LocalCognate(LocalConfig(state=Path(state))) as worker,
        httpx.Client(base_url=worker.url, timeout=60, trust_env=False) as client,
    ):
        client.headers["authorization"] = f"Bearer {DEMO_ORGANIZATIONS[0].session_token}"
        bench = Bench(worker, client)
        _fill(bench)
        rows = {
            "GET /healthz": bench.requests(lambda: client.get("/healthz")),
            "GET /api/v1/claims?limit=10": bench.requests(
                lambda: client.get("/api/v1/claims", params={"limit": 10})
            ),
            "POST …/claimSimilarity/search": bench.requests(
                lambda: client.post(
                    "/api/v1/similarity/claimSimilarity/search",
                    json={"query": "Police arrested three suspects", "threshold": 0},
                )
            ),
            f"queue: a batch of {TEXTS} texts": bench.batches(),
        }
    base = rows["GET /healthz"]
    sys.stdout.write("CPU of workerd, milliseconds: median (least to most), ratio to /healthz\n")
    for name, values in rows.items():
        median = statistics.median(values)
        sys.stdout.write(
            f"{name:36} {median:7.1f} ({min(values):.1f} to {max(values):.1f})"
            f"  x{median / statistics.median(base):.1f}\n"
        )
    return 0


class Bench:
    """A running Worker and its CPU clock."""

    def __init__(self, worker: LocalCognate, client: httpx.Client) -> None:
        """Find the processes of this Worker's runtime."""
        self.client = client
        self._processes = workerd_processes(worker.config.state)

    def cpu(self) -> float:
        """Milliseconds of CPU that the runtime has used so far."""
        ticks = 0
        for process in self._processes:
            fields = (process / "stat").read_text("ascii").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return 1000 * ticks / TICKS

    def requests(self, request: Callable[[], httpx.Response]) -> list[float]:
        """Milliseconds for one request, a value for each round."""
        values = []
        for _ in range(ROUNDS + 1):
            before = self.cpu()
            for _ in range(REQUESTS_PER_ROUND):
                request().raise_for_status()
            values.append((self.cpu() - before) / REQUESTS_PER_ROUND)
        return values[1:]  # The first round warms up.

    def batches(self) -> list[float]:
        """Milliseconds from the posting of a hundred texts until all of them are done."""
        values = []
        for number in range(ROUNDS + 1):
            items = [{"content": f"Text {item} of round {number}"} for item in range(TEXTS)]
            answer = self.client.post("/api/v1/embeddings/batch", json={"items": items})
            job_ids = [item["jobId"] for item in answer.json()["results"]]
            before = self.cpu()
            self.wait(job_ids[-1])
            values.append(self.cpu() - before)
        return values[1:]

    def wait(self, job_id: str) -> None:
        """Wait until a job is done."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.job(job_id)["status"] != "done":
            if time.monotonic() > deadline:
                message = f"the job {job_id} was not done in {PATIENCE_SECONDS} s"
                raise TimeoutError(message)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API shows it."""
        answer: dict[str, Any] = self.client.get(f"/api/v1/embeddings/jobs/{job_id}").json()
        return answer


def _fill(bench: Bench) -> None:
    operations = [
        {"operation": "create", "record": {"content": f"Claim {number} about a robbery"}}
        for number in range(TEXTS)
    ]
    body = {"operations": operations}
    bench.client.post("/api/v1/claims/batch", json=body).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
