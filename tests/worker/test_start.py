"""The Worker runs in its real runtime, on a fresh state, on this machine's own address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS, DemoOrganization

if TYPE_CHECKING:
    import httpx

    from local.development.local_cognate import LocalCognate


def test_it_is_healthy(http: httpx.Client) -> None:
    """The launcher waits for this answer before it says that Cognate listens."""
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("organization", DEMO_ORGANIZATIONS, ids=lambda each: each.slug)
def test_the_demo_sessions_are_signed_in(
    http: httpx.Client, organization: DemoOrganization
) -> None:
    """The commands that `make dev` prints are answered."""
    answer = http.get(
        "/api/v1/similarity", headers={"authorization": f"Bearer {organization.session_token}"}
    )

    assert answer.status_code == 200


def test_the_platform_behind_it_is_up(platform: httpx.Client) -> None:
    """Workers AI and Vectorize are one Python process."""
    assert platform.get("/healthz").status_code == 200


def test_the_state_is_its_own(worker: LocalCognate) -> None:
    """Nothing of the tests lands in the data of `make dev`."""
    assert worker.config.state in worker.database.parents
    assert worker.layout.root not in worker.config.state.parents


def test_the_clock_is_answered(http: httpx.Client) -> None:
    """What the cron trigger does in production: the sweeper runs, and finds nothing amiss."""
    assert (200, "ok") == (
        (answer := http.get("/cdn-cgi/local/scheduled")).status_code,
        answer.text,
    )
