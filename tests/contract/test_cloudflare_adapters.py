"""The same contract suites inside the Workers' runtime, over real D1 and Queues.

The bindings of Workers AI and Vectorize are Cloudflare's own, which are in the runtime; the service
behind them is the local platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from tests.contract.cases import case_names
from tests.contract.workshop import contract_checkout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.setup.layout import Layout

VISIBILITY_SECONDS = 0.3
"""Long enough that a test which forgets to wait for a write fails."""


@pytest.fixture(scope="module")
def worker(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[httpx.Client]:
    """A client of a Worker that has the suites in it, and a state that nobody used before."""
    layout = contract_checkout(tmp_path_factory.mktemp("checkout"))
    config = LocalConfig(state=new_state(layout))
    with (
        LocalCognate(config, layout) as running,
        httpx.Client(base_url=running.url, timeout=120, trust_env=False) as client,
    ):
        visibility = f"{running.platform_url}/control/visibility"
        httpx.put(visibility, json={"seconds": VISIBILITY_SECONDS}, trust_env=False)
        yield client


@pytest.mark.parametrize("name", sorted(case_names()))
def test_a_cloudflare_adapter_keeps_the_contract(worker: httpx.Client, name: str) -> None:
    """One promise of a port, in the Workers' runtime."""
    answer = worker.post(f"/cases/{name}")

    if answer.status_code != httpx.codes.OK or answer.text:
        pytest.fail(answer.text, pytrace=False)


def test_both_sides_run_the_same_tests(worker: httpx.Client) -> None:
    """A suite that only one side knows would prove nothing about the other."""
    assert set(worker.get("/cases").json()) == case_names()
