"""Settings and fixtures of all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.repeating import FailureAnnouncer, repetitions
from tests.scheduling import LongestFirst

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter
    from xdist.remote import Producer

# The tests run in several processes already. More threads in each would wait for one another and
# cost CPU while they do. The libraries read this once, when numpy is imported.
for variable in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")


# A busy machine makes a test slow, and a slow test is not a wrong one.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutines run on asyncio, as they do in the Worker."""
    return "asyncio"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores: the tests of the Worker mostly wait."""
    return (os.cpu_count() or 1) + 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst:
    """Distribute the tests as `tests/scheduling.py` says."""
    return LongestFirst(config, log)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print failures at once, in the process that prints."""
    plugins = session.config.pluginmanager
    reporter = plugins.get_plugin("terminalreporter")
    if reporter is not None:
        plugins.register(FailureAnnouncer(reporter))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures that tests measured, and how each failed test is repeated."""
    _print_figures(terminalreporter)
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    if failed:
        terminalreporter.section("repeat a failed test")
    for command in repetitions(failed):
        terminalreporter.line(command)


def _print_figures(terminalreporter: TerminalReporter) -> None:
    """Print what tests recorded: `record_property("figure", "A search: ...")`."""
    reports = [
        report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)
    ]
    figures = [
        text for report in reports for name, text in report.user_properties if name == "figure"
    ]
    if figures:
        terminalreporter.section("figures")
    for text in figures:
        terminalreporter.line(str(text))
