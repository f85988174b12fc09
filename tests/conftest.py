"""Settings and fixtures of all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# The tests run in several processes already. More threads in each would wait for one another and
# cost CPU while they do. The libraries read this once, when numpy is imported.
for variable in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutines run on asyncio, as they do in the Worker."""
    return "asyncio"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures that tests measured: `record_property("figure", "A search: ...")`."""
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
