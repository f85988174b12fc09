"""`make dev` uses only what Linux and macOS both have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from local.setup.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LINUX_ONLY: Final = re.compile(
    r"/proc\b|\bflock -|\bepoll\b|\binotify|\bpidfd_|\bprctl\b|\bsched_|\breadlink -f"
    # GNU's sed only: a tab in what is inserted, and `-i` without a suffix.
    r"|sed .*\\t|sed -i "
)
MEASURES: Final = "workerd_processes.py"
"""For benchmarks and a test of memory; `make dev` does not load it."""

RUN: Final = [
    ROOT / "Makefile",
    *(path for path in sorted((ROOT / "local").rglob("*.py")) if path.name != MEASURES),
]


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_nothing_that_linux_alone_has_is_used(path: Path) -> None:
    """The search covers the kernel, the standard library and the commands of recipes."""
    lines = path.read_text("utf-8").splitlines()

    assert [line for line in lines if LINUX_ONLY.search(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        'Path("/proc").glob',
        "flock -n .local/state/lock true",
        r"sed -n 's/^\([a-z-]*\)/make \1\t\2/p'",
        "select.epoll()",
    ],
)
def test_what_is_looked_for_is_found(line: str) -> None:
    """Each line uses something that only Linux has."""
    assert LINUX_ONLY.search(line)
