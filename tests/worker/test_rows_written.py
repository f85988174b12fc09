"""What D1 bills for a record: the rows that are written from its creation until nothing is left.

D1 counts each row and each entry of an index that a statement writes. The figures stand in
`benchmarks/measured.json`, and `docs/cost.md` is made from them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from local.running.local_worker import LocalConfig
from local.setup.layout import ROOT
from tests.worker.measured_run import measured_checkout, measured_worker
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from local.setup.layout import Layout
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

    Report = Callable[[str, Sequence[str]], None]

BATCH: Final = 100
PAST: Final = "2020-01-01T00:00:00.000Z"
MEASURED: Final = json.loads((ROOT / "benchmarks" / "measured.json").read_text("utf-8"))
TITLE: Final = "Rows written in D1, a record of a batch of 100"


@pytest.fixture(scope="module")
def empty_worker(
    tmp_path_factory: pytest.TempPathFactory, new_state: Callable[[Layout], Path]
) -> Iterator[Instruments]:
    """A Worker that measures its statements, over an empty database."""
    layout = measured_checkout(tmp_path_factory.mktemp("checkout"))
    with measured_worker(LocalConfig(state=new_state(layout)), layout) as instruments:
        yield instruments


@dataclass
class Bill:
    """Rows by statement, since the last look."""

    instruments: Instruments

    def rows(self) -> tuple[Counter[str], int]:
        """Rows written by each statement, and rows read by all of them."""
        written: Counter[str] = Counter()
        read = 0
        for item in self.instruments.ask("measurements", {}):
            if item["site"].startswith("tests."):
                continue  # What the test itself does.
            site = item["site"].removeprefix("cognate.").partition(":")[0]
            written[f"{site}: {' '.join(item['sql'].split())[:60]}"] += item["written"]
            read += item["read"]
        return +written, read


def _finish(instruments: Instruments, organization: Organization) -> None:
    """Wait for the end of all jobs, and have them removed as after their retention."""

    def is_quiet() -> bool:
        return not instruments.sql(
            "SELECT 1 FROM cognate_jobs WHERE organization_id = ?1 AND completed_at IS NULL",
            organization.demo.id,
        )

    wait_for(is_quiet, "the end of all jobs")
    instruments.sql(
        "UPDATE cognate_jobs SET completed_at = ?2 WHERE organization_id = ?1",
        organization.demo.id,
        PAST,
    )
    instruments.sweep()
    assert instruments.sql("SELECT 1 FROM cognate_jobs WHERE completed_at = ?1", PAST) == []


def _operations(kind: str) -> list[dict[str, Any]]:
    ids = [f"c{number}" for number in range(BATCH)]
    if kind == "create":
        return [
            {"operation": "create", "id": name, "record": {"content": f"The ferry {name} sank"}}
            for name in ids
        ]
    if kind == "update":
        return [
            {"operation": "update", "id": name, "record": {"content": f"The ferry {name} sails"}}
            for name in ids
        ]
    return [{"operation": "delete", "id": name} for name in ids]


@pytest.fixture(scope="module")
def bills(empty_worker: Instruments) -> dict[str, tuple[Counter[str], int]]:
    """The rows of a hundred records: created, updated, and deleted."""
    organization = empty_worker.organization("bill")
    bill = Bill(empty_worker)
    bill.rows()
    found = {}
    for kind in ("create", "update", "delete"):
        answer = organization.post("/claims/batch", {"operations": _operations(kind)})
        assert answer.status_code == httpx.codes.MULTI_STATUS, answer.text
        assert {result["status"] for result in answer.json()["results"]} <= {200, 201}
        _finish(empty_worker, organization)
        found[kind] = bill.rows()
    return found


@pytest.mark.parametrize("kind", ["create", "update", "delete"])
def test_a_record_writes_few_rows(
    bills: dict[str, tuple[Counter[str], int]], kind: str, report: Report
) -> None:
    """From the request until its job is removed; the table that is printed says by what."""
    written, read = bills[kind]
    total = written.total() / BATCH
    report(TITLE, [f"{kind}: {total:.2f} written, {read / BATCH:.0f} read"])
    report(
        TITLE, [f"  {rows / BATCH:6.2f}  {statement}" for statement, rows in written.most_common()]
    )

    # Beside these, a batch writes a few rows of its own, whatever its size.
    assert round(total) == MEASURED["rowsWritten"][kind]
    assert read / BATCH <= MEASURED["rowsRead"][kind]


def test_a_search_writes_nothing(
    empty_worker: Instruments, bills: dict[str, tuple[Counter[str], int]]
) -> None:
    """A quiet one: nothing waits, and the index shows everything."""
    assert bills
    organization = empty_worker.organization("searching")
    for number in range(3):
        organization.write("claims", content=f"The bridge {number} is closed")
    empty_worker.sweep()
    bill = Bill(empty_worker)
    bill.rows()
    organization.search("claimSimilarity", "Is the bridge closed?")
    written, read = bill.rows()

    assert written.total() == 0
    assert read <= MEASURED["rowsRead"]["search"]


def test_an_idle_sweep_writes_nothing(empty_worker: Instruments) -> None:
    """Every minute, in every deployment."""

    def is_idle() -> bool:
        empty_worker.sweep()
        return not empty_worker.sql("SELECT 1 FROM cognate_mutations WHERE probe = 0")

    # Until it is known that every index shows all that it has accepted.
    wait_for(is_idle, "the end of all mutations")
    bill = Bill(empty_worker)
    bill.rows()
    empty_worker.sweep()
    written, _ = bill.rows()

    assert written == Counter()
