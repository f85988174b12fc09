"""Which test runs next, and in which process: the longest first, what shares a Worker together.

A test of the Worker mostly waits, for a runtime that starts and for the queue. A unit test mostly
computes. So both kinds run at the same time, in more processes than there are cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xdist.workermanage import WorkerController

_REAL_STORY: Final = "tests/worker/test_randomized_story.py::test_in_the_real_runtime"

LONGEST_FIRST: Final = (
    "tests/worker/test_fault_matrix.py",
    "tests/worker/test_launcher.py",
    _REAL_STORY,
    "tests/worker/test_rows_read.py",
    "tests/worker/test_deploy.py",
    "tests/worker/test_memory.py",
    "tests/worker/test_memory_snapshot.py",
    "tests/worker/test_clean_clone.py",
    "tests/worker",
    "tests/contract/test_cloudflare_adapters.py",
    "tests/worker/test_randomized_story.py::test_in_process",
    "tests/unit/test_own_table.py",
    "tests/unit/test_isolation.py",
)
"""What the beginnings of test ids are ordered by. Everything else is short and comes last."""

SHARING: Final = {
    "the Worker": ("http", "readme", "start", "story"),
    "the instrumented Worker": (
        *("articles", "backfill", "batches", "bindings", "busy_organization", "create_embeddings"),
        *("found_at_once", "jobs", "readiness", "records", "texts"),
    ),
}
"""Modules of `tests/worker` that use one running Worker. One process runs them all, so that the
Worker is started once."""

_UNITS: Final = {
    f"tests/worker/test_{name}.py": unit for unit, names in SHARING.items() for name in names
}


def unit_of(test_id: str) -> str:
    """The name of the work unit of a test: its tests run in one process, one after the other."""
    if test_id.startswith("tests/unit/"):
        return test_id
    if test_id.startswith(_REAL_STORY):
        return "the instrumented Worker"
    path = test_id.split("::", maxsplit=1)[0]
    return _UNITS.get(path, path)


def rank_of(test_id: str) -> int:
    """The place of a test in the order; the most exact entry of `LONGEST_FIRST` counts."""
    matching = [start for start in LONGEST_FIRST if test_id.startswith(start)]
    return LONGEST_FIRST.index(max(matching, key=len)) if matching else len(LONGEST_FIRST)


class LongestFirst(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Give each process a long unit, and a short one to follow it.

    A process starts a test only when it knows the next one. If that were a long one too, it would
    wait there while other processes have nothing to do.
    """

    _is_sorted = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _reschedule(self, node: WorkerController) -> None:
        if not self.workqueue:
            node.shutdown()
        elif not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 1:
            self._assign_work_unit(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_sorted:
            self._is_sorted = True
            for unit in sorted(self.workqueue, key=self._rank):
                self.workqueue.move_to_end(unit)
        has_long = any(
            self._rank_of_unit(tests) < len(LONGEST_FIRST) and not all(tests.values())
            for tests in self.assigned_work[node].values()
        )
        if has_long:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _rank(self, unit: str) -> int:
        return self._rank_of_unit(self.workqueue[unit])

    @staticmethod
    def _rank_of_unit(tests: Mapping[str, bool]) -> int:
        return min(map(rank_of, tests), default=len(LONGEST_FIRST))
