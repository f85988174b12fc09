"""Every fault against every operation, in the real runtime, with what each cell cost.

The cells of one fault are played together and those of the next follow while the first wait for
their second try, so that the pauses between tries, which are production's own, overlap.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.worker.cells import INDEX, OPERATIONS, RECORD, Cell, Figures
from tests.worker.instruments import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.faults import FaultKind
    from tests.worker.instruments import Event, Instruments

SETTLED_SECONDS: Final = 75.0
"""Three tries with the pauses between them, on a busy machine."""

LONG_AGO: Final = "2000-01-01T00:00:00.000Z"


@dataclass
class Row:
    """One fault and its four cells.

    Attributes:
        name: in the table.
        has_surplus: whether its update has a chunk to remove.
        cells: one for each operation.
        mark: number of log events before the fault was armed.
        before: number of jobs that each cell had before.
    """

    name: ClassVar[str]
    has_surplus: ClassVar[bool] = False
    instruments: Instruments
    cells: list[Cell] = field(init=False)
    mark: int = 0
    before: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make an organization for each operation."""
        slug = self.name.lower().replace(" ", "-").replace(",", "")
        self.cells = [
            Cell(
                self.name,
                operation,
                self.instruments.organization(f"{slug}-{operation}"),
                self.has_surplus,
            )
            for operation in OPERATIONS
        ]

    def play(self) -> None:
        """Arm the fault, do the operations, and wait until each was tried."""
        self.mark = len(self.instruments.events())
        for cell in self.cells:
            self.before[cell.slug] = len(cell.jobs(self.instruments))
            cell.texts.clear()
            self.arm(cell)
        for cell in self.cells:
            cell.perform()
        self.meanwhile()

    def arm(self, cell: Cell) -> None:
        """Order the fault for one cell."""

    def meanwhile(self) -> None:
        """What else happens; in any case every job is tried once."""
        self.wait_until_tried()

    def wait_until_tried(self) -> None:
        """Wait until every cell has jobs, all of which were started once."""
        for cell in self.cells:
            wait_for(lambda cell=cell: self._is_tried(cell), f"{self.name}: {cell.operation}")  # type: ignore[misc]  # bound at once

    def _is_tried(self, cell: Cell) -> bool:
        new = cell.jobs(self.instruments)[self.before[cell.slug] :]
        return bool(new) and all(
            job["status"] != "running" and (job["attempts"] or job["status"] != "queued")
            for job in new
        )

    def deliver_forgotten(self) -> None:
        """Let the sweeper find what waits for its message, as it would after some minutes."""
        ids = json.dumps([cell.organization.demo.id for cell in self.cells])
        for table in ("cognate_jobs", "cognate_backfills"):
            self.instruments.sql(
                f"UPDATE {table} SET due_at = ?2 WHERE status IN ('queued', 'running') "  # noqa: S608 - two names
                "AND organization_id IN (SELECT value FROM json_each(?1))",
                ids,
                LONG_AGO,
            )
        self.instruments.sweep()

    def count(self) -> None:
        """Fill in the cells' figures."""
        events = self.instruments.events()[self.mark :]
        for cell in self.cells:
            jobs = cell.jobs(self.instruments)
            cell.figures = Figures.of(cell, events, jobs, self.before[cell.slug])


class _AiRow(Row):
    """The model fails for a call with a text of the cell."""

    kind: ClassVar[FaultKind] = "error"
    message: ClassVar[str] = ""
    times: ClassVar[int] = 1

    def arm(self, cell: Cell) -> None:
        """The slug is in each of the cell's texts, and in no other's."""
        self.instruments.fault(
            "AI", "run", self.kind, self.message, count=self.times, match=f"The {cell.slug} "
        )


class AiCapacity(_AiRow):
    """Out of capacity, twice."""

    name = "AI capacity"
    message = "3040: Capacity temporarily exceeded, please try again."
    times = 2


class AiTimeout(_AiRow):
    """No answer in time."""

    name = "AI time-out"
    message = "3007: Request timeout"


class AiShort(_AiRow):
    """A vector too few."""

    name = "AI short answer"
    kind = "short"


class AiDimension(_AiRow):
    """Vectors that lack a component."""

    name = "AI wrong dimension"
    kind = "dimension"


class AiRefuses(_AiRow):
    """The text is refused, each time it comes: its job is to be named as failed."""

    name = "AI refuses the text"
    message = "5006: Error: oneOf at '/' not met"
    times = 50


class _IndexRow(Row):
    """Vectorize fails for a call about the cell's record."""

    method: ClassVar[str]

    def arm(self, cell: Cell) -> None:
        """The vectors' ids are the record's own."""
        message = "VECTOR_ERROR (code = 50000): internal error"
        self.instruments.fault(INDEX, self.method, message=message, match=cell.key)


class UpsertError(_IndexRow):
    """Vectors cannot be written."""

    name = "Vectorize upsert error"
    method = "upsert"


class DeleteError(_IndexRow):
    """Vectors cannot be removed."""

    name = "Vectorize delete error"
    has_surplus = True
    method = "deleteByIds"


class DatabaseWriteError(Row):
    """D1 refuses to store the result: a trigger aborts the transaction."""

    name = "D1 write error"
    has_surplus = True

    def arm(self, cell: Cell) -> None:
        """One trigger for each organization."""
        self.instruments.sql(
            f'CREATE TRIGGER "fail {cell.slug}" BEFORE UPDATE OF content_hash '
            f"ON cognate_embeddings WHEN NEW.organization_id = '{cell.organization.demo.id}' "
            "BEGIN SELECT RAISE(ABORT, 'out of reach'); END"
        )

    def meanwhile(self) -> None:
        """Take each trigger away once it has fired."""
        for cell in self.cells:
            wait_for(lambda cell=cell: self._failed(cell), f"{cell.slug}: a failed write")  # type: ignore[misc]  # bound at once
            self.instruments.sql(f'DROP TRIGGER "fail {cell.slug}"')

    def _failed(self, cell: Cell) -> bool:
        events = self.instruments.events()[self.mark :]
        wrote = {
            event["invocation"]
            for event in events
            if event["event"] in {"test.upserts", "test.deletes"}
            and any(entry.startswith(cell.key) for entry in event["ids"])
        }
        failed = {
            event["invocation"]
            for event in events
            if event["event"] == "test.stored" and event["outcome"] == "failed"
        }
        return bool(wrote & failed)


class DuplicateDelivery(Row):
    """Every message comes three times, twice of them when all is done."""

    name = "Duplicate delivery"
    has_surplus = True

    def meanwhile(self) -> None:
        """Send each job's message again."""
        self._again()
        self.wait_until_tried()
        self._again()

    def _again(self) -> None:
        messages = []
        for cell in self.cells:
            wait_for(lambda cell=cell: self._new(cell), f"{cell.slug}: a job")  # type: ignore[misc]  # bound at once
            messages += [_reference(job) for job in self._new(cell)]
        self.instruments.send(*messages)

    def _new(self, cell: Cell) -> list[dict[str, Any]]:
        return cell.jobs(self.instruments)[self.before[cell.slug] :]


class ReorderedDelivery(Row):
    """A newer write overtakes the job of an older one, which is slow."""

    name = "Reordered delivery"
    has_surplus = True
    SLOW_SECONDS: ClassVar = 6

    def arm(self, cell: Cell) -> None:
        """The first call about any of the cells takes long; they come in one batch or two."""
        if cell.operation != "delete":
            match = f"The {cell.slug} "
            self.instruments.fault("AI", "run", "slow", seconds=self.SLOW_SECONDS, match=match)
        else:
            self.instruments.fault(
                INDEX, "deleteByIds", "slow", seconds=self.SLOW_SECONDS, match=cell.key
            )

    def meanwhile(self) -> None:
        """Change the records while their jobs run, and have a second consumer start.

        The local queue starts another one only when a whole batch waits.
        """
        for cell in self.cells:
            wait_for(lambda cell=cell: self._runs(cell), f"{cell.slug}: a running job")  # type: ignore[misc]  # bound at once
            cell.overtake()
        [done] = self.instruments.sql("SELECT * FROM cognate_jobs WHERE status = 'done' LIMIT 1")
        self.instruments.send(*[_reference(done)] * 100)
        self.wait_until_tried()

    def _runs(self, cell: Cell) -> bool:
        jobs = cell.jobs(self.instruments)[self.before[cell.slug] :]
        return any(job["status"] == "running" for job in jobs)


class SendFailure(Row):
    """The queue takes nothing: neither a backfill's step nor any job's message."""

    name = "Queue send failure"

    def arm(self, cell: Cell) -> None:
        """The next send fails; of a backfill, the next two."""
        times = 2 if cell.operation == "backfill" else 1
        self.instruments.fail_sends(cell.organization.demo.id, times)

    def meanwhile(self) -> None:
        """The sweeper sends what was not sent."""
        self.deliver_forgotten()
        wait_for(self._all_failed, "every send has failed")
        self.deliver_forgotten()
        self.wait_until_tried()

    def _all_failed(self) -> bool:
        failed = self.instruments.events("test.send_failed")
        organizations = [event["organization"] for event in failed]
        return all(
            organizations.count(cell.organization.demo.id)
            >= (2 if cell.operation == "backfill" else 1)
            for cell in self.cells
        )


class Killed(Row):
    """The runtime is killed when the index has been written and D1 has not."""

    name = "Killed before D1 write"
    has_surplus = True
    LATE_SECONDS: ClassVar = 600

    def arm(self, cell: Cell) -> None:
        """The index takes the write and does not answer."""
        method = "deleteByIds" if cell.operation == "delete" else "upsert"
        self.instruments.fault(INDEX, method, "late", seconds=self.LATE_SECONDS, match=cell.key)

    def meanwhile(self) -> None:
        """Kill, start again, and let the sweeper take back what ran."""
        for cell in self.cells:
            # One batch at a time hangs, so each is met by the kill, or has not begun.
            if self._hangs(cell):
                break
        else:
            wait_for(lambda: any(map(self._hangs, self.cells)), "a handler that waits")
        self.instruments.crash()
        self.instruments.platform.delete("/control/faults")
        self.instruments.restart()
        self.deliver_forgotten()
        wait_for(self._none_waits_for_a_step, "the backfill's jobs")
        self.deliver_forgotten()
        self.wait_until_tried()

    def _hangs(self, cell: Cell) -> bool:
        events: Sequence[Event] = self.instruments.events("test.upserts", "test.deletes")
        return any(entry.startswith(cell.key) for event in events for entry in event["ids"])

    def _none_waits_for_a_step(self) -> bool:
        [row] = self.instruments.sql(
            "SELECT COUNT(*) AS count FROM cognate_backfills WHERE status = 'running'"
        )
        return bool(row["count"] == 0)


ROWS: Final[tuple[type[Row], ...]] = (
    # What comes early is over, or waits alone, when the next begins.
    DatabaseWriteError,
    ReorderedDelivery,
    AiCapacity,
    AiTimeout,
    AiShort,
    AiDimension,
    UpsertError,
    DeleteError,
    DuplicateDelivery,
    SendFailure,
    AiRefuses,
    # The last one plays alone.
    Killed,
)


def run_matrix(instruments: Instruments) -> list[Row]:
    """Play every row, and wait until everything is final."""
    rows = [kind(instruments) for kind in ROWS]
    cells = [cell for row in rows for cell in row.cells]
    for cell in cells:
        cell.prepare(instruments)
    _settle(instruments, cells)
    *others, killed = rows
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


def _reference(job: dict[str, Any]) -> dict[str, Any]:
    return {"type": "embedding", "version": 1, "jobId": job["id"], "scope": job["scope"]}


def table(rows: Sequence[Row]) -> list[str]:
    """The matrix as text, a line a cell."""
    head = (
        f"{'fault':<24}{'operation':<10}{'jobs':<22}{'tries':>6}{'embedded':>9}{'lost':>6}"
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
                f"{row.name:<24}{cell.operation:<10}{jobs:<22}{figures.tries:>6}"
                f"{figures.answered:>9}{figures.lost:>6}{figures.repeated:>9}{figures.refused:>8}"
                f"{figures.upserts:>8}{figures.deletes:>8}  {ends:<8}"
            )
    return [
        *lines,
        "embedded: chunks of text that got usable vectors",
        "lost: those of them whose handler could not store them, so they had to be embedded again",
        "repeated: those that were embedded again without such a need",
        "refused: chunks in calls that failed or answered something unusable",
        f"Each cell is an organization of its own; all of them have the record {RECORD!r}.",
    ]
