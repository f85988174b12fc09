"""Workers in their real runtime for the whole session, with a state that nobody used before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS
from local.development.local_cognate import LocalCognate
from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.worker.instruments import Instruments
from tests.worker.organization import STORY_ORGANIZATIONS
from tests.workshop import checkout_with, new_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xdist.workermanage import WorkerController

    Report = Callable[[str, Sequence[str]], None]
    """Shows a table, by its title, at the end of the session."""

    from local.setup.layout import Layout

__all__ = ["new_state"]

REPORTS: Final = pytest.StashKey[dict[str, list[str]]]()
OUTPUT: Final = "reports"
"""The name under which a process of several sends its tables to the one that prints them."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the tables to the process that prints them, where that is another one."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[OUTPUT] = session.config.stash.get(REPORTS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take the tables of a process that has ended."""
    sent = getattr(node, "workeroutput", {}).get(OUTPUT, {})
    node.config.stash.setdefault(REPORTS, {}).update(sent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the tables that tests made, whether or not output is captured."""
    for title, lines in config.stash.get(REPORTS, {}).items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """For a test with figures to show."""

    def add(title: str, lines: Sequence[str]) -> None:
        pytestconfig.stash.setdefault(REPORTS, {}).setdefault(title, []).extend(lines)

    return add


@contextmanager
def _client(address: str) -> Iterator[httpx.Client]:
    """A client that knows its server's address; no proxy of the environment is asked."""
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def worker(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[LocalCognate]:
    """The running Worker: its `url`, `platform_url`, `database`, `config.state` and logs.

    It runs from a copy, because wrangler starts a Worker anew whenever a source of it changes.
    """
    layout = checkout_with(tmp_path_factory.mktemp("checkout"), ROOT / "src" / "entry.py", [])
    config = LocalConfig(state=new_state(layout))
    organizations = (*DEMO_ORGANIZATIONS, *STORY_ORGANIZATIONS)
    with LocalCognate(config, layout, organizations) as running:
        yield running


@pytest.fixture(scope="session")
def http(worker: LocalCognate) -> Iterator[httpx.Client]:
    """A client of the Worker."""
    with _client(worker.url) as client:
        yield client


@pytest.fixture(scope="session")
def platform(worker: LocalCognate) -> Iterator[httpx.Client]:
    """A client of the Python platform, where faults are ordered and calls counted."""
    with _client(worker.platform_url) as client:
        yield client


@pytest.fixture(scope="session")
def instrumented_worker(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Instruments]:
    """Another Worker: the same code, with instruments below `/test/`."""
    here = ROOT / "tests" / "worker"
    layout = checkout_with(
        tmp_path_factory.mktemp("checkout"), here / "instrumented.py", [here / "recording.py"]
    )
    config = LocalConfig(state=new_state(layout))
    with (
        LocalCognate(config, layout) as running,
        _client(running.url) as worker,
        _client(running.platform_url) as platform,
    ):
        yield Instruments(running, worker, platform)


@pytest.fixture
def instrumented(instrumented_worker: Instruments) -> Iterator[Instruments]:
    """The instrumented Worker, with nothing out of order; organizations are a test's own."""
    instrumented_worker.calm()
    yield instrumented_worker
    instrumented_worker.calm()
