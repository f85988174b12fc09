"""A job whose message runs out of deliveries: the message is moved, and the job waits on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import pytest

from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.worker.instruments import Instruments
from tests.worker.matrix_row import LONG_AGO
from tests.worker.waiting import wait_for
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from local.setup.layout import Layout

PATIENT: Final = "max_retries = 100"
IMPATIENT: Final = "max_retries = 1"
"""In place of a day of retries: two deliveries, and then the dead-letter queue."""

BUSY: Final = "3040: Capacity temporarily exceeded, please try again."


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Instruments]:
    """A Worker whose queue gives a message up after two deliveries."""
    here = ROOT / "tests" / "worker"
    layout = checkout_with(
        tmp_path_factory.mktemp("checkout"), here / "instrumented.py", [here / "recording.py"]
    )
    wrangler = layout.root / "wrangler.toml"
    configuration = wrangler.read_text("utf-8")
    assert PATIENT in configuration
    wrangler.write_text(configuration.replace(PATIENT, IMPATIENT), "utf-8")
    config = LocalConfig(state=new_state(layout))
    with (
        LocalCognate(config, layout) as running,
        httpx.Client(base_url=running.url, timeout=30, trust_env=False) as worker,
        httpx.Client(base_url=running.platform_url, timeout=30, trust_env=False) as platform,
    ):
        yield Instruments(running, worker, platform)


def test_an_outage_that_outlasts_its_message_costs_time_only(impatient: Instruments) -> None:
    """The message goes through the real dead-letter queue; the job is done in the end."""
    organization = impatient.organization("outage")
    impatient.reset_calls()
    impatient.fault("AI", "run", message=BUSY, count=1000)
    written = organization.post("/claims", {"content": "A text in an outage"})
    assert written.status_code == 201, written.text
    jobs = {"table": "claims", "id": written.json()["id"]}
    [job] = organization.get("/embeddings/jobs", params=jobs).json()["data"]
    job_id = job["jobId"]
    wait_for(lambda: _dead_lettered(impatient, job_id), "the dead letter")

    waiting = organization.get(f"/embeddings/jobs/{job_id}").json()
    assert ("queued", 2, "AI_CAPACITY") == (
        waiting["status"],
        waiting["attempts"],
        waiting["error"]["code"],
    )
    assert impatient.calls()["calls"]["AI.run"] == 2
    [coverage] = [
        table
        for table in organization.get("/embeddings/coverage").json()["tables"]
        if table["name"] == "claims"
    ]
    assert (coverage["pending"], coverage["failed"]) == (1, 0)
    impatient.calm()
    _let_time_pass(impatient)
    assert organization.job(job_id)["status"] == "done"


def test_a_dead_letter_keeps_the_id_and_the_time_of_its_message(impatient: Instruments) -> None:
    """The job of another Worker's text is known by both: dead, it is still the job that it was."""
    organization = impatient.organization("foreign")
    impatient.fault("AI", "run", message=BUSY, count=1000)
    text = {"content": "A text of another Worker", "organizationId": organization.demo.id}
    impatient.send({"type": "embedding", **text})
    job = wait_for(lambda: _only_job(impatient, organization.demo.id), "the job")
    wait_for(lambda: _dead_lettered(impatient, job["id"]), "the dead letter")

    again = _only_job(impatient, organization.demo.id)

    assert again is not None
    assert (again["id"], again["status"], again["attempts"]) == (job["id"], "queued", 2)
    impatient.calm()
    _let_time_pass(impatient)
    assert organization.job(job["id"])["status"] == "done"
    texts = impatient.sql(
        "SELECT id FROM cognate_texts WHERE organization_id = ?1", organization.demo.id
    )
    assert texts == [{"id": job["id"]}]


def _only_job(impatient: Instruments, organization_id: str) -> dict[str, Any] | None:
    jobs = impatient.sql("SELECT * FROM cognate_jobs WHERE organization_id = ?1", organization_id)
    assert len(jobs) <= 1, jobs
    return jobs[0] if jobs else None


def _dead_lettered(impatient: Instruments, job_id: str) -> bool:
    return any(event["job"] == job_id for event in impatient.events("job.waiting"))


def _let_time_pass(impatient: Instruments) -> None:
    """What waits becomes due, as it would after some minutes, and the sweeper comes."""
    impatient.sql("UPDATE cognate_jobs SET due_at = ?1 WHERE status = 'queued'", LONG_AGO)
    impatient.sweep()
