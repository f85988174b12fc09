"""An organization that imports five thousand records, while the index shows none of them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks.worker_cpu import Bench
from tests.busy import Busy, wrong

if TYPE_CHECKING:
    from tests.worker.conftest import Report
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

RECORDS: Final = 5000
QUERIES: Final = 40
ROUNDS: Final = 5
SEARCHES: Final = 8
MOST: Final = 3.0
"""The CPU of a search that compares five thousand records, in that of one that compares none."""

SERVICE: Final = "claimSimilarity"
LATER: Final = "9998"
"""After any time that an index can be known to show."""


@pytest.fixture(scope="module")
def busy(instrumented_worker: Instruments) -> tuple[Organization, Busy]:
    """The organization, with its records in D1."""
    organization = instrumented_worker.organization("busy")
    drawn = Busy.drawn(organization.demo.id, RECORDS, 11)
    for statement in drawn.statements(LATER):
        instrumented_worker.sql(statement.sql, *statement.parameters)
    return organization, drawn


def test_every_verdict_is_that_of_a_full_comparison(
    instrumented: Instruments, busy: tuple[Organization, Busy]
) -> None:
    """In workerd, by vectors near the thresholds: nothing is degraded."""
    organization, drawn = busy
    verdicts = []
    for query in drawn.queries(QUERIES, 12):
        found = instrumented.ask(
            "nearest", {"organization": organization.demo.id, "vector": query.tolist()}
        )
        assert found["degraded"] is None
        best = found["scores"][0]
        assert best == pytest.approx(drawn.best(query), abs=1e-6)
        verdicts.append((found["verdict"], drawn.verdict(query)))
    assert wrong(verdicts) == 0


def test_a_search_costs_at_most_three_quiet_ones(
    instrumented: Instruments, busy: tuple[Organization, Busy], report: Report
) -> None:
    """CPU of the runtime, side by side; and it is decided."""
    organization, _ = busy
    quiet = instrumented.organization("quiet")
    quiet.write("claims", id="c1", content="The ferry was cancelled because of the storm")
    bench = Bench(instrumented.worker, instrumented.http)

    def cost(asked: Organization) -> float:
        before = bench.cpu()
        for _ in range(SEARCHES):
            found: dict[str, Any] = asked.search(SERVICE, "The storm stopped the ferry")
            assert (found["degraded"], found["verdict"] is None) == (False, False), found
        return (bench.cpu() - before) / SEARCHES

    for asked in (quiet, organization):
        cost(asked)  # The first round warms up.
    rounds = [(cost(quiet), cost(organization)) for _ in range(ROUNDS)]
    calm, crowded = (statistics.median(column) for column in zip(*rounds, strict=True))
    report(
        f"A search beside {RECORDS} records that the index does not show",
        [f"quiet {calm:.1f} ms of CPU, busy {crowded:.1f} ms: {crowded / calm:.2f} x"],
    )
    assert crowded <= MOST * calm
