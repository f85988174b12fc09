"""A job whose message runs out of deliveries: the message is moved, and the job waits on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import httpx

from local.layout import ROOT
from local.local_worker import LocalConfig, LocalWorker
from local.seed import DEMO_ORGANIZATIONS
from tests.worker.instruments import wait_for
from tests.worker.organization import Organization
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PATIENT: Final = "max_retries = 100"
IMPATIENT: Final = "max_retries = 1"
"""In place of a day of retries: two deliveries, and then the dead-letter queue."""


def test_an_outage_that_outlasts_its_message_costs_time_only(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The message goes through the real dead-letter queue; the job is done in the end."""
    layout = checkout_with(tmp_path_factory.mktemp("checkout"), ROOT / "src" / "entry.py", [])
    wrangler = layout.root / "wrangler.toml"
    configuration = wrangler.read_text("utf-8")
    assert PATIENT in configuration
    wrangler.write_text(configuration.replace(PATIENT, IMPATIENT), "utf-8")
    config = LocalConfig(state=tmp_path_factory.mktemp("state"))
    with (
        LocalWorker(config, layout) as worker,
        httpx.Client(base_url=worker.url, timeout=30, trust_env=False) as http,
        httpx.Client(base_url=worker.platform_url, timeout=30, trust_env=False) as platform,
    ):
        organization = Organization(http, DEMO_ORGANIZATIONS[0])
        outage = {"binding": "AI", "method": "run", "count": 1000, "kind": "error"}
        message = "3040: Capacity temporarily exceeded, please try again."
        platform.post("/control/faults", json={**outage, "message": message}).raise_for_status()
        written = organization.post("/claims", {"content": "A text in an outage"})
        assert written.status_code == 201, written.text
        jobs = {"table": "claims", "id": written.json()["id"]}
        [job] = organization.get("/embeddings/jobs", params=jobs).json()["data"]
        job_id = job["jobId"]
        wait_for(lambda: _was_dead_lettered(worker.wrangler_log, job_id), "the dead letter")

        waiting = organization.get(f"/embeddings/jobs/{job_id}").json()
        assert ("queued", 2, "AI_CAPACITY") == (
            waiting["status"],
            waiting["attempts"],
            waiting["error"]["code"],
        )
        assert platform.get("/control/calls").json()["calls"]["AI.run"] == 2
        [coverage] = [
            table
            for table in organization.get("/embeddings/coverage").json()["tables"]
            if table["name"] == "claims"
        ]
        assert (coverage["pending"], coverage["failed"]) == (1, 0)
        platform.delete("/control/faults").raise_for_status()
        _let_time_pass(worker.database)
        worker.tick()
        assert organization.job(job_id)["status"] == "done"


def _was_dead_lettered(log: Path, job_id: str) -> bool:
    return f'{{"event":"job.waiting","job":"{job_id}"' in log.read_text("utf-8", errors="replace")


def _let_time_pass(database: Path) -> None:
    """What waits becomes due, as it would after some minutes."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE cognate_jobs SET due_at = '2000' WHERE status = 'queued'")
        connection.commit()
