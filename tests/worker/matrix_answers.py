"""Rows of the fault matrix: each error that Cloudflare answers, for as long as it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cognate.jobs.messages import MESSAGE_TYPE
from tests.worker.cells import INDEX, Cell
from tests.worker.matrix_row import Row
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.cells import Operation

WRITING: Final[tuple[Operation, ...]] = ("create", "update", "backfill")
"""Operations that embed a text."""
REMOVING: Final[tuple[Operation, ...]] = ("update", "delete")
"""Operations that remove a vector."""
MANY: Final = 1000
"""Calls that fail: more than there are until the fault is lifted."""


@dataclass(frozen=True)
class Answer:
    """An error, and what it must do to a job.

    Attributes:
        method: `run` of Workers AI, or a method of Vectorize.
        code: of the job that meets it.
        number: of the error, in Cloudflare's words; None for `message`.
        message: where the error has no number.
        blames: whether the job fails; else it waits, uncharged.
    """

    method: str
    code: str
    number: int | None = None
    message: str = "Network connection lost."
    blames: bool = False

    @property
    def name(self) -> str:
        """What the row is called."""
        return f"{self.method} {self.number or self.message}"

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those that call the method."""
        return REMOVING if self.method == "deleteByIds" else WRITING


ANSWERS: Final = (
    # Load.
    Answer("run", "AI_CAPACITY", 3040),
    Answer("run", "AI_CAPACITY", message="HTTP 429 Too Many Requests"),
    Answer("run", "AI_TIMEOUT", 3007),
    # The account's allowance.
    Answer("run", "AI_ALLOWANCE_USED_UP", 4006),
    Answer("run", "AI_ALLOWANCE_USED_UP", 3036),
    # The model.
    Answer("run", "AI_MODEL_UNAVAILABLE", 5007),
    Answer("run", "AI_MODEL_UNAVAILABLE", 3042),
    # The account.
    Answer("run", "AI_ACCESS_DENIED", 5018),
    Answer("run", "AI_ACCESS_DENIED", 3041),
    Answer("run", "AI_ACCESS_DENIED", 3023),
    Answer("run", "AI_ACCESS_DENIED", 5016),
    Answer("run", "AI_ACCESS_DENIED", 5035),
    # Internal, unknown, and none.
    Answer("run", "AI_ERROR", 3043),
    Answer("run", "AI_ERROR", 3046),
    Answer("run", "AI_ERROR", message="InferenceUpstreamError: error code: 1031"),
    # This text.
    Answer("run", "AI_INPUT_REJECTED", 3006, blames=True),
    Answer("run", "AI_INPUT_REJECTED", 5004, blames=True),
    Answer("run", "AI_INPUT_REJECTED", 5006, blames=True),
    # Throttled.
    Answer("upsert", "VECTORIZE_THROTTLED", 40041),
    Answer("deleteByIds", "VECTORIZE_THROTTLED", 40041),
    # Out of reach.
    Answer("upsert", "VECTORIZE_UNAVAILABLE"),
    Answer("deleteByIds", "VECTORIZE_UNAVAILABLE"),
    # The size of a call, and whatever a deletion is refused for, are nobody's fault.
    Answer("upsert", "VECTORIZE_ERROR", 40007),
    Answer("deleteByIds", "VECTORIZE_ERROR", 40007),
    Answer("deleteByIds", "VECTORIZE_ERROR", 40008),
    # This vector, or its metadata.
    Answer("upsert", "VECTORIZE_REJECTED", 40006, blames=True),
    Answer("upsert", "VECTORIZE_REJECTED", 40008, blames=True),
    Answer("upsert", "VECTORIZE_REJECTED", 40012, blames=True),
    Answer("upsert", "VECTORIZE_REJECTED", 40016, blames=True),
    Answer("upsert", "VECTORIZE_REJECTED", 40023, blames=True),
)


@dataclass
class AnswerRow(Row):
    """One error, in four cells, until it is lifted.

    Each row is over in one batch: its cells are tried once while the error lasts. They are
    delivered again together with those of all other rows.

    Attributes:
        answer: the error.
        seen: of each operation, how its job stood while the error lasted.
    """

    answer: Answer = field(kw_only=True)
    seen: dict[Operation, dict[str, Any]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """See `Row.title`."""
        return self.answer.name

    @property
    def update_has_surplus(self) -> bool:
        """See `Row.has_surplus`: where vectors are removed."""
        return self.answer.method == "deleteByIds"

    @property
    def backfill(self) -> Cell:
        """The cell whose operation has two messages, one after the other."""
        [cell] = [cell for cell in self.cells if cell.operation == "backfill"]
        return cell

    def start_backfill(self) -> None:
        """Lose the message of its job, which is to come with those of the others."""
        self.instruments.fail_sends(self.backfill.organization.demo.id, kind=MESSAGE_TYPE)
        self.backfill.perform()

    def wait_for_backfill(self) -> None:
        """Wait until there is a job."""
        wait_for(lambda: self.backfill.jobs(self.instruments), f"{self.title}: the backfill's job")

    def arm(self, cell: Cell) -> None:
        """The slug is in each of the cell's texts, its key in the ids of its vectors."""
        answer = self.answer
        binding, match = (
            ("AI", f"The {cell.slug} ") if answer.method == "run" else (INDEX, cell.key)
        )
        self.instruments.fault(
            binding,
            answer.method,
            message=answer.message,
            number=answer.number,
            count=MANY,
            match=match,
        )

    def remember(self, cell: Cell) -> None:
        """The backfill has begun before the fault was armed."""
        if cell is not self.backfill:
            super().remember(cell)
        else:
            self.before[cell.slug] = 0

    def perform(self) -> None:
        """Do the operations, so that their jobs come in one batch."""
        self.deliver_forgotten([self.backfill])
        for cell in self.cells:
            if cell is not self.backfill:
                cell.perform()

    def meanwhile(self) -> None:
        """Look at the jobs, and lift the fault."""
        self.wait_until_tried()
        for cell in self.cells:
            self.seen[cell.operation] = cell.jobs(self.instruments)[-1]
        self.instruments.platform.delete("/control/faults")


def play_answers(rows: Sequence[AnswerRow]) -> None:
    """Play each of at least one row, then have all of them tried again."""
    for row in rows:
        row.start_backfill()
    for row in rows:
        row.wait_for_backfill()
    for row in rows:
        row.play()
    rows[0].deliver_forgotten([cell for row in rows for cell in row.cells])
