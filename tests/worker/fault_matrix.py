"""Every fault against every operation, in the real runtime, with what each cell cost.

The cells of one fault are played together and those of the next follow while the first wait for
their second try, so that the pauses between tries, which are production's own, overlap. Errors that
Cloudflare answers last until they are lifted; all that waits for one is delivered in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.worker.cells import RECORD, Cell
from tests.worker.matrix_answers import ANSWERS, AnswerRow, play_answers
from tests.worker.matrix_faults import ROWS
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.instruments import Instruments
    from tests.worker.matrix_row import Row

SETTLED_SECONDS: Final = 180.0
"""Three tries with the pauses between them, on a busy machine."""


def run_matrix(instruments: Instruments) -> list[Row]:
    """Play every row, and wait until everything is final."""
    answers = [AnswerRow(instruments, answer=answer) for answer in ANSWERS]
    *others, killed = [kind(instruments) for kind in ROWS]
    rows = [*answers, *others, killed]
    cells = [cell for row in rows for cell in row.cells]
    for cell in cells:
        cell.prepare(instruments)
    _settle(instruments, cells)
    play_answers(answers)
    # No later fault is to meet what these wait for.
    _settle(instruments, [cell for row in answers for cell in row.cells])
    for row in others:
        row.play()
    # The local queue forgets what it holds when it is killed: so nothing else is under way then.
    _settle(instruments, cells)
    instruments.platform.delete("/control/faults")
    killed.play()
    _settle(instruments, cells)
    for row in rows:
        row.count()
    return rows


def _settle(instruments: Instruments, cells: Sequence[Cell]) -> None:
    for cell in cells:
        wait_for(
            lambda cell=cell: cell.is_final(instruments),  # type: ignore[misc]  # bound at once
            f"{cell.slug} is final",
            SETTLED_SECONDS,
        )


def table(rows: Sequence[Row]) -> list[str]:
    """The matrix as text, a line a cell."""
    head = (
        f"{'fault':<46}{'operation':<10}{'jobs':<22}{'tries':>6}{'embedded':>9}{'lost':>6}"
        f"{'repeated':>9}{'refused':>8}{'upserts':>8}{'deletes':>8}  {'vectors':<8}"
    )
    lines = [head, "-" * len(head)]
    for row in rows:
        for cell in row.cells:
            figures = cell.figures
            assert figures is not None
            jobs = ", ".join(figures.jobs)
            ends = figures.code or f"{len(cell.vectors)}"
            lines.append(
                f"{row.title:<46}{cell.operation:<10}{jobs:<22}{figures.tries:>6}"
                f"{figures.answered:>9}{figures.lost:>6}{figures.repeated:>9}{figures.refused:>8}"
                f"{figures.upserts:>8}{figures.deletes:>8}  {ends:<8}"
            )
    return [
        *lines,
        "embedded: chunks of text that got usable vectors",
        "lost: those of them whose handler could not store them, so they had to be embedded again",
        "repeated: those that were embedded again without such a need",
        "refused: chunks in calls that failed or answered something unusable",
        "Batches are shared, as in production: one cell's fault costs its neighbours a try",
        f"Each cell is an organization of its own; all of them have the record {RECORD!r}.",
    ]
