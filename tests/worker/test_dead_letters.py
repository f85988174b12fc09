"""A job that runs out of deliveries: its message is moved, and the job says why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from local.layout import ROOT
from local.local_worker import LocalConfig, LocalWorker
from local.seed import DEMO_ORGANIZATIONS
from tests.worker.organization import Organization
from tests.workshop import checkout_with

if TYPE_CHECKING:
    import pytest

PATIENT: Final = "max_retries = 100"
IMPATIENT: Final = "max_retries = 1"
"""In place of a day of retries: two deliveries, and then the dead-letter queue."""


def test_an_outage_without_end_is_recorded_and_can_be_replayed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The message goes through the real dead-letter queue; it is written down, not run again."""
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
        job_id = organization.post("/embeddings", {"content": "A text in an outage"}).json()[
            "jobId"
        ]
        failed = organization.job(job_id)
        calls = platform.get("/control/calls").json()["calls"]["AI.run"]

        assert ("failed", 2, "AI_CAPACITY") == (
            failed["status"],
            failed["attempts"],
            failed["error"]["code"],
        )
        assert failed["error"]["message"].startswith("It was tried as often as the queue allows.")
        assert calls == 2
        platform.delete("/control/faults").raise_for_status()
        assert organization.post(f"/embeddings/jobs/{job_id}/retry", None).status_code == 202
        assert organization.job(job_id)["status"] == "done"
