"""The tests of all suites by name, to be run one by one on any platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.contract.clock_suite import ClockSuite
from tests.contract.database_suite import DatabaseSuite
from tests.contract.embedder_suite import EmbedderSuite
from tests.contract.queue_suite import QueueSuite
from tests.contract.vector_index_suite import VectorIndexSuite

if TYPE_CHECKING:
    from collections.abc import Sequence

Suite = ClockSuite | DatabaseSuite | EmbedderSuite | QueueSuite | VectorIndexSuite
"""One class per port; an implementation is a subclass that can be made without arguments."""

SUITES: Final[Sequence[type[Suite]]] = (
    ClockSuite,
    DatabaseSuite,
    EmbedderSuite,
    QueueSuite,
    VectorIndexSuite,
)

_PREFIX: Final = "test_"


def names_of_tests(kind: type[Suite]) -> list[str]:
    """The names of a suite's tests, or of those that an implementation inherits."""
    return [name.removeprefix(_PREFIX) for name in dir(kind) if name.startswith(_PREFIX)]


def suite_of(kind: type[Suite]) -> type[Suite]:
    """The suite that a class implements."""
    return next(suite for suite in SUITES if issubclass(kind, suite))


def case_names(kinds: Sequence[type[Suite]] = SUITES) -> set[str]:
    """`DatabaseSuite.foreign_keys_hold` and so on, of suites or of implementations of them."""
    return {f"{suite_of(kind).__name__}.{test}" for kind in kinds for test in names_of_tests(kind)}


async def run_test(implementation: type[Suite], test: str) -> None:
    """Run one test on an implementation, which is made anew.

    Raises:
        AssertionError: the promise is not kept.
    """
    await getattr(implementation(), _PREFIX + test)()
