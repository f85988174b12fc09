"""One Worker in its real runtime for the whole session, with a state that nobody used before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from local.local_worker import LocalConfig, LocalWorker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWorker]:
    """The running Worker: its `url`, `platform_url`, `database`, `config.state` and logs."""
    with LocalWorker(LocalConfig(state=tmp_path_factory.mktemp("state"))) as running:
        yield running


@pytest.fixture(scope="session")
def http(worker: LocalWorker) -> Iterator[httpx.Client]:
    """A client of the Worker that knows its address; no proxy of the environment is asked."""
    with httpx.Client(base_url=worker.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def platform(worker: LocalWorker) -> Iterator[httpx.Client]:
    """A client of the Python platform, where faults are ordered and calls counted."""
    with httpx.Client(base_url=worker.platform_url, timeout=30, trust_env=False) as client:
        yield client
