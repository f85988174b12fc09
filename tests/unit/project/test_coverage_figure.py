"""The coverage figure leaves out what cannot be measured here, and nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in (ROOT / "src").rglob("*.py")
}
COVERAGE: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "tool"
]["coverage"]
REPORT: Final = COVERAGE["report"]


def test_only_modules_of_the_workers_runtime_are_left_out() -> None:
    """They import `js`, `pyodide` or `workers`, which no host has."""
    runtime = re.compile(r"^(?:from|import) (?:js|pyodide|workers)\b", re.MULTILINE)

    assert sorted(name for name, text in SOURCES.items() if runtime.search(text)) == sorted(
        COVERAGE["run"]["omit"]
    )


@pytest.mark.parametrize("pattern", [*REPORT["exclude_also"], *REPORT["partial_also"]])
def test_every_excluded_line_is_there(pattern: str) -> None:
    """A pattern that meets nothing any more would hide a later line."""
    assert any(re.search(pattern, text, re.MULTILINE) for text in SOURCES.values())


def test_branches_count_and_there_is_a_floor() -> None:
    """Lines alone would hide a condition that no test makes false."""
    assert COVERAGE["run"]["branch"] is True
    assert REPORT["fail_under"] >= 99
