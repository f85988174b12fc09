"""One row of the fault matrix: a fault, and four operations while it lasts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.worker.cells import OPERATIONS, Cell, Figures
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.instruments import Instruments

LONG_AGO: Final = "2000-01-01T00:00:00.000Z"


@dataclass
class Row:
    """One fault and its four cells.

    Attributes:
        name: of the fault.
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
        slug = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
        self.cells = [
            Cell(
                self.title,
                operation,
                self.instruments.organization(f"{slug}-{operation}"),
                self.update_has_surplus,
            )
            for operation in OPERATIONS
        ]

    @property
    def title(self) -> str:
        """What the row is called in the table."""
        return self.name

    @property
    def update_has_surplus(self) -> bool:
        """See `has_surplus`."""
        return self.has_surplus

    def play(self) -> None:
        """Arm the fault, do the operations, and wait until each was tried."""
        self.mark = len(self.instruments.events())
        for cell in self.cells:
            self.remember(cell)
            self.arm(cell)
        self.perform()
        self.meanwhile()

    def remember(self, cell: Cell) -> None:
        """Note how a cell stands before its operation."""
        self.before[cell.slug] = len(cell.jobs(self.instruments))
        cell.texts.clear()

    def arm(self, cell: Cell) -> None:
        """Order the fault for one cell."""

    def perform(self) -> None:
        """Do the operations."""
        for cell in self.cells:
            cell.perform()

    def meanwhile(self) -> None:
        """What else happens; in any case every job is tried once."""
        self.wait_until_tried()

    def wait_until_tried(self) -> None:
        """Wait until every cell has jobs, all of which were started once."""
        for cell in self.cells:
            wait_for(lambda cell=cell: self._is_tried(cell), f"{self.title}: {cell.operation}")  # type: ignore[misc]  # bound at once

    def _is_tried(self, cell: Cell) -> bool:
        new = cell.jobs(self.instruments)[self.before[cell.slug] :]
        return bool(new) and all(
            job["status"] != "running" and (job["attempts"] or job["status"] != "queued")
            for job in new
        )

    def start_another_consumer(self) -> None:
        """Fill a batch: the local queue starts a second consumer only when a whole one waits."""
        [done] = self.instruments.sql("SELECT * FROM cognate_jobs WHERE status = 'done' LIMIT 1")
        self.instruments.send(*[reference(done)] * 100)

    def deliver_forgotten(self, cells: Sequence[Cell]) -> None:
        """Let the sweeper find what waits for its message, as it would after some minutes."""
        ids = json.dumps([cell.organization.demo.id for cell in cells])
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


def reference(job: dict[str, Any]) -> dict[str, Any]:
    """The message of a job, as production sends it."""
    return {
        "type": "embedding",
        "version": 1,
        "organizationId": job["organization_id"],
        "scope": job["scope"],
        "jobId": job["id"],
    }
