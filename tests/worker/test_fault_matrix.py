"""Nothing is lost, whatever fails: every fault against every operation, in the real runtime."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.worker.cells import INDEX, OPERATIONS, RECORD, Cell
from tests.worker.fault_matrix import run_matrix, table
from tests.worker.matrix_faults import ROWS, AiRefuses
from tests.worker.rest import WorkerAtRest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.conftest import Report
    from tests.worker.instruments import Instruments
    from tests.worker.matrix_row import Row

pytestmark = pytest.mark.timeout(400)

NAMES = [row.name for row in ROWS]


@pytest.fixture(scope="module")
def rows(instrumented_worker: Instruments, report: Report) -> Sequence[Row]:
    """The matrix, played; its table is shown at the end of the session."""
    instrumented_worker.calm()
    played = run_matrix(instrumented_worker)
    lines = table(played)
    report("Fault matrix", lines)
    file = instrumented_worker.worker.config.state / "fault-matrix.txt"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return played


@pytest.fixture
def cell(rows: Sequence[Row], name: str, operation: str) -> Cell:
    """One cell of it."""
    [found] = [
        cell
        for row in rows
        for cell in row.cells
        if (row.name, cell.operation) == (name, operation)
    ]
    return found


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", NAMES)
class TestCell:
    """What holds for each cell once the faults have stopped."""

    def test_the_record_is_embedded_or_named(self, cell: Cell, instrumented: Instruments) -> None:
        """Its last job is done, or failed with a code; only a refused text is refused."""
        statuses = [
            job["status"] for job in cell.jobs(instrumented) if job["status"] != "superseded"
        ]
        assert cell.figures is not None
        if cell.row == AiRefuses.name and cell.operation != "delete":
            assert ("failed", "AI_INPUT_REJECTED") == (statuses[-1], cell.figures.code)
        else:
            assert ("done", None) == (statuses[-1], cell.figures.code)

    def test_the_index_has_the_chunks_of_now(self, cell: Cell, instrumented: Instruments) -> None:
        """Nothing of an older text, and nothing of a deleted record."""
        there = [found for found in instrumented.vectors(INDEX) if found.startswith(cell.key)]
        if cell.figures is not None and cell.figures.code is not None:
            # What could not be embedded keeps the vectors that it had, and gets none.
            assert (1 if cell.operation == "update" else 0) == len(there)
        else:
            assert cell.vectors == sorted(there)

    def test_nothing_is_embedded_twice_without_need(self, cell: Cell) -> None:
        """A text is embedded again only where its vectors were lost with their handler."""
        figures = cell.figures
        assert figures is not None
        assert 0 == figures.repeated
        if cell.operation == "delete" and cell.row != "Reordered delivery":
            assert 0 == figures.answered
        if cell.row in {"Duplicate delivery", "Queue send failure", "Vectorize delete error"}:
            assert 0 == figures.lost

    def test_its_data_stayed_where_it_is(self, cell: Cell, instrumented: Instruments) -> None:
        """The row, and every vector, belongs to the cell's own organization."""
        owner = cell.organization.demo.id
        [row] = instrumented.sql(
            "SELECT COUNT(*) AS count FROM claims WHERE instr(content, ?1) "
            "AND (organization_id <> ?2 OR id <> ?3)",
            f"The {cell.slug} ",
            owner,
            RECORD,
        )
        assert 0 == row["count"]
        metadata = instrumented.vectors(INDEX)
        assert {owner} >= {
            metadata[found]["organizationId"] for found in metadata if found.startswith(cell.key)
        }
        found = cell.organization.search("claimSimilarity", f"The {cell.slug}", threshold=-1)
        assert [RECORD] * len(found["results"]) == [each["id"] for each in found["results"]]


def test_the_index_agrees_with_the_database(rows: Sequence[Row], instrumented: Instruments) -> None:
    """Everywhere: no orphan, nothing missing, and each vector is that of its text of now."""
    assert len(rows) == len(ROWS)
    assert [] == asyncio.run(WorkerAtRest(instrumented).discrepancies())


def test_every_fault_has_struck(rows: Sequence[Row]) -> None:
    """A cell that its fault never met would prove nothing."""
    tries: dict[tuple[str, str], int] = {}
    for row in rows:
        for cell in row.cells:
            assert cell.figures is not None
            tries[row.name, cell.operation] = cell.figures.tries
    for name in ("AI capacity", "AI time-out", "AI short answer", "AI wrong dimension"):
        for operation in ("create", "update", "backfill"):
            assert tries[name, operation] > 1, (name, operation)
    for operation in ("create", "update", "backfill"):
        assert tries["Vectorize upsert error", operation] > 1, operation
    for operation in ("update", "delete"):
        assert tries["Vectorize delete error", operation] > 1, operation
    for operation in OPERATIONS:
        assert tries["D1 write error", operation] > 1, operation
        assert tries["Killed before D1 write", operation] > 1, operation
