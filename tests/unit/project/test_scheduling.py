"""The longest tests start first, and tests that share a Worker run in one process."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import pytest

from local.setup.layout import ROOT
from tests.scheduling import LONGEST_FIRST, SHARING, rank_of, unit_of

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST: Final = """
from tests.scheduling import LongestFirst

def pytest_xdist_make_scheduler(config, log):
    return LongestFirst(config, log)
"""
MODULE: Final = """
import os
import time
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number, request):
    with Path("ran").open("a") as ran:
        ran.write(f"{{os.environ['PYTEST_XDIST_WORKER']}} {{request.node.nodeid}}\\n")
    time.sleep({seconds})
"""


def run(folder: Path, modules: dict[str, tuple[int, float]]) -> list[tuple[str, str]]:
    """Run tests in two processes; the process and the id of each test, as they began.

    Args:
        folder: empty.
        modules: the number of tests of each, and the seconds that each test takes.
    """
    for name, (count, seconds) in modules.items():
        module = folder / "tests" / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(MODULE.format(count=count, seconds=seconds), "utf-8")
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n", "2", "--import-mode=importlib"),
            *("-p", "no:cacheprovider", "tests"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (folder / "ran").read_text("utf-8").splitlines()
    return [(process, test) for process, test in (line.split(" ", 1) for line in lines)]


def test_every_test_runs_once_and_the_longest_begin_first(tmp_path: Path) -> None:
    """While one process is busy with a long module, the other runs everything else."""
    ran = run(
        tmp_path,
        {
            "unit/test_small.py": (12, 0),
            "worker/test_launcher.py": (3, 0),
            "worker/test_fault_matrix.py": (1, 3),
            "worker/test_http.py": (2, 0),
            "worker/test_story.py": (2, 0),
        },
    )

    tests = [test for _, test in ran]
    assert len(tests) == len(set(tests)) == 20
    assert {"test_fault_matrix", "test_launcher"} == {
        test.split("/")[-1].split(".")[0] for test in tests[:2]
    }
    [busy] = [process for process, test in ran if "fault_matrix" in test]
    others = [test for process, test in ran if process != busy]
    assert len(others) >= 18
    sharing = {process for process, test in ran if "test_http" in test or "test_story" in test}
    assert len(sharing) == 1


@pytest.mark.parametrize("start", LONGEST_FIRST)
def test_what_is_ordered_exists(start: str) -> None:
    """A module that was renamed would lose its place."""
    assert (ROOT / start.split("::", maxsplit=1)[0]).exists()


def test_what_shares_a_worker_exists() -> None:
    """So would a module that was renamed lose the others."""
    names = [name for names in SHARING.values() for name in names]

    assert [n for n in names if not (ROOT / "tests" / "worker" / f"test_{n}.py").is_file()] == []


def test_units() -> None:
    """A unit test is a unit; a module of the Worker is one, or shares one."""
    assert "tests/unit/test_ids.py::test_x" == unit_of("tests/unit/test_ids.py::test_x")
    assert "tests/worker/test_memory.py" == unit_of("tests/worker/test_memory.py::test_x[a::b]")
    assert unit_of("tests/worker/test_http.py::test_x") == unit_of("tests/worker/test_story.py::y")
    [in_process, runtime] = [
        unit_of(f"tests/worker/test_randomized_story.py::{name}[SEED=1]")
        for name in ("test_in_process", "test_in_the_real_runtime")
    ]
    assert in_process != runtime


def test_the_most_exact_entry_says_the_place() -> None:
    """A module that is named comes before those that only their folder names."""
    order = [
        "tests/worker/test_fault_matrix.py::test_x",
        "tests/worker/test_clean_clone.py::test_x",
        "tests/worker/test_http.py::test_x",
        "tests/unit/test_isolation.py::test_x",
        "tests/unit/test_ids.py::test_x",
    ]

    assert all(rank_of(first) < rank_of(second) for first, second in pairwise(order))
