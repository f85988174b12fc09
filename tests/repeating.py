"""The command that repeats one failed test alone, in a fresh shell."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from _pytest.terminal import TerminalReporter

VARIABLE: Final = "variable"
"""The name under which a test records a variable that a repetition needs:
`record_property(VARIABLE, "SEED=7")`."""


def command_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The command that runs the test of a report again; the file, where it cannot be imported."""
    recorded = getattr(report, "user_properties", ())
    given = [str(value).split("=", 1) for name, value in recorded if name == VARIABLE]
    variables = [f"{name}={shlex.quote(value)}" for name, value in (*given, ("PYTHONPATH", "src"))]
    return " ".join([*variables, ".venv/bin/pytest", shlex.quote(report.nodeid)])


def repetitions(reports: Sequence[pytest.TestReport | pytest.CollectReport]) -> list[str]:
    """One command for each failed test, in the order in which they failed."""
    return list(dict.fromkeys(map(command_of, reports)))


class FailureAnnouncer:
    """A plugin that prints each failure as soon as it is known, among the dots of the others."""

    def __init__(self, reporter: TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print the command that repeats a failed test."""
        if report.failed:
            self._reporter.ensure_newline()
            self._reporter.line(f"FAILED  {command_of(report)}", red=True)
