"""Nothing is lost, whatever fails: every fault against every operation, in the real runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.worker.cells import INDEX, OPERATIONS, RECORD, Cell, Figures
from tests.worker.fault_matrix import run_matrix, table
from tests.worker.matrix_answers import ANSWERS, WRITING, AnswerRow
from tests.worker.matrix_faults import ROWS, AiRow, DatabaseWriteError, Killed
from tests.worker.rest import WorkerAtRest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.conftest import Report
    from tests.worker.instruments import Instruments
    from tests.worker.matrix_row import Row

pytestmark = pytest.mark.timeout(600)

NAMES: Final = [*(answer.name for answer in ANSWERS), *(row.name for row in ROWS)]
BLAMED: Final = {
    (answer.name, operation): answer.code
    for answer in ANSWERS
    if answer.blames
    for operation in answer.operations
}
"""Why a job must fail: of nothing else it may."""
LOSING: Final = (DatabaseWriteError.name, Killed.name)
"""Faults that come between a model's answer and the write that keeps it."""


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


@pytest.fixture(scope="module")
def indexed(rows: Sequence[Row], instrumented_worker: Instruments) -> dict[str, dict[str, Any]]:
    """The metadata of every vector that is left in the end, by id."""
    assert rows
    return instrumented_worker.vectors(INDEX)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_a_cell(
    rows: Sequence[Row],
    indexed: dict[str, dict[str, Any]],
    instrumented: Instruments,
    name: str,
    operation: str,
) -> None:
    """Embedded or named as failed, nothing else in the index, and no work done twice."""
    [row] = [row for row in rows if row.title == name]
    [cell] = [cell for cell in row.cells if cell.operation == operation]
    _is_embedded_or_named(cell)
    _has_the_chunks_of_now(cell, indexed)
    _cost_what_was_needed(cell)
    _stayed_at_home(cell, indexed, instrumented)


def _figures(cell: Cell) -> Figures:
    assert cell.figures is not None
    return cell.figures


def _is_embedded_or_named(cell: Cell) -> None:
    """The last job is done, or failed with a code; only what is to blame is blamed."""
    figures = _figures(cell)
    assert {"done", "failed", "superseded"} >= {*figures.jobs}
    outcome = ([status for status in figures.jobs if status != "superseded"][-1], figures.code)
    code = BLAMED.get((cell.row, cell.operation))
    assert ("done" if code is None else "failed", code) == outcome


def _has_the_chunks_of_now(cell: Cell, indexed: dict[str, dict[str, Any]]) -> None:
    """Nothing of an older text, and nothing of a deleted record."""
    there = sorted(found for found in indexed if found.startswith(cell.key))
    if _figures(cell).code is None:
        assert cell.vectors == there
    else:
        # What could not be embedded keeps the vectors that it had, and gets none.
        assert (1 if cell.operation == "update" else 0) == len(there)


def _cost_what_was_needed(cell: Cell) -> None:
    """A text is embedded again only where its vectors were lost with their handler."""
    figures = _figures(cell)
    assert 0 == figures.repeated
    if cell.row not in LOSING:
        assert 0 == figures.lost
    if cell.operation == "delete" and cell.text is None:
        assert 0 == figures.answered


def _stayed_at_home(
    cell: Cell, indexed: dict[str, dict[str, Any]], instrumented: Instruments
) -> None:
    """The row, and every vector, belongs to the cell's own organization."""
    owner = cell.organization.demo.id
    rows = instrumented.sql(
        "SELECT organization_id, id FROM claims WHERE instr(content, ?1)", f"The {cell.slug} "
    )
    assert ([] if cell.text is None else [(owner, RECORD)]) == [
        (row["organization_id"], row["id"]) for row in rows
    ]
    metadata = [indexed[found] for found in indexed if found.startswith(cell.key)]
    assert {owner} >= {found["organizationId"] for found in metadata}


@pytest.mark.parametrize("name", [answer.name for answer in ANSWERS])
def test_while_an_error_lasts(rows: Sequence[Row], name: str) -> None:
    """What it blames has failed by its code; everything else waits under it, uncharged."""
    [row] = [row for row in rows if isinstance(row, AnswerRow) and row.title == name]
    waiting = ("queued", row.answer.code, 0)
    for operation, job in row.seen.items():
        stood = (job["status"], job["error_code"], job["charges"])
        if operation not in row.answer.operations:
            # A call that failed for a neighbour may have kept it from being tried.
            assert stood in {("done", None, 0), waiting}, operation
        elif row.answer.blames:
            assert ("failed", row.answer.code) == stood[:2], operation
        else:
            assert waiting == stood, operation


async def test_the_index_agrees_with_the_database(
    rows: Sequence[Row], instrumented: Instruments
) -> None:
    """Everywhere: no orphan, nothing missing, and each vector is that of its text of now."""
    assert len(rows) == len(NAMES)
    organizations = {cell.organization.demo.id for row in rows for cell in row.cells}
    assert [] == await WorkerAtRest(instrumented).discrepancies(organizations)


def test_every_fault_has_struck(rows: Sequence[Row]) -> None:
    """A cell that its fault never met would prove nothing."""
    figures = {(row.title, cell.operation): _figures(cell) for row in rows for cell in row.cells}
    for name in (kind.name for kind in ROWS if issubclass(kind, AiRow)):
        assert all(figures[name, each].refused > 0 for each in WRITING), name
    assert all(figures["Vectorize upsert error", each].tries > 1 for each in WRITING)
    assert figures["Vectorize delete error", "update"].tries > 1
    assert figures["Vectorize delete error", "delete"].tries > 1
    for name in LOSING:
        assert all(figures[name, each].lost > 0 for each in WRITING), name
        assert figures[name, "delete"].tries > 1, name
