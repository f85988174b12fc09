"""The faults of the matrix: how each is brought about, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.worker.cells import INDEX, Cell
from tests.worker.matrix_row import Row, reference
from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from local.bindings.faults import FaultKind


class AiRow(Row):
    """The model answers something unusable to a call with a text of the cell."""

    kind: ClassVar[FaultKind]

    def arm(self, cell: Cell) -> None:
        """The slug is in each of the cell's texts, and in no other's."""
        self.instruments.fault("AI", "run", self.kind, match=f"The {cell.slug} ")


class AiShort(AiRow):
    """A vector too few."""

    name = "AI short answer"
    kind = "short"


class AiDimension(AiRow):
    """Vectors that lack a component."""

    name = "AI wrong dimension"
    kind = "dimension"


class IndexRow(Row):
    """Vectorize fails for a call about the cell's record."""

    method: ClassVar[str]

    def arm(self, cell: Cell) -> None:
        """The vectors' ids are the record's own."""
        message = "VECTOR_ERROR (code = 50000): internal error"
        self.instruments.fault(INDEX, self.method, message=message, match=cell.key)


class UpsertError(IndexRow):
    """Vectors cannot be written."""

    name = "Vectorize upsert error"
    method = "upsert"


class DeleteError(IndexRow):
    """Vectors cannot be removed."""

    name = "Vectorize delete error"
    has_surplus = True
    method = "deleteByIds"


class DatabaseWriteError(Row):
    """D1 refuses to store the result: a trigger aborts the transaction."""

    name = "D1 write error"
    has_surplus = True

    def arm(self, cell: Cell) -> None:
        """One trigger for each organization: its state is stored, or that of a deletion removed."""
        change = "DELETE" if cell.operation == "delete" else "UPDATE OF content_hash"
        row = "OLD" if cell.operation == "delete" else "NEW"
        self.instruments.sql(
            f'CREATE TRIGGER "fail {cell.slug}" BEFORE {change} ON cognate_embeddings '
            f"WHEN {row}.organization_id = '{cell.organization.demo.id}' "
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
            if event["event"] == "test.stored"
            and event["outcome"] == "failed"
            # Halving has come to it: no other cell's trigger is to blame.
            and event["keys"] == [cell.key]
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
            messages += [reference(job) for job in self._new(cell)]
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
        """Change the records while their jobs run."""
        for cell in self.cells:
            wait_for(lambda cell=cell: self._runs(cell), f"{cell.slug}: a running job")  # type: ignore[misc]  # bound at once
            cell.overtake()
        self.start_another_consumer()
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
        self.deliver_forgotten(self.cells)
        wait_for(self._all_failed, "every send has failed")
        self.deliver_forgotten(self.cells)
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

    def perform(self) -> None:
        """Have one consumer wait for a deletion, and a second one for the writes."""
        create, update, delete, backfill = self.cells
        backfill.perform()
        # The step queues a job whose message is lost: it is to come with the second consumer.
        self.instruments.fail_sends(backfill.organization.demo.id)
        wait_for(lambda: backfill.jobs(self.instruments), "the backfill's job")
        delete.perform()
        wait_for(lambda: not self._indexed(delete), "a deletion that was not answered")
        create.perform()
        update.perform()
        self.deliver_forgotten([backfill])
        self.start_another_consumer()
        wait_for(lambda: self._indexed(create), "an upsert that was not answered")

    def meanwhile(self) -> None:
        """Kill, start again, and let the sweeper take back what ran."""
        self.instruments.crash()
        self.instruments.platform.delete("/control/faults")
        self.instruments.restart()
        self.deliver_forgotten(self.cells)
        self.wait_until_tried()

    def _indexed(self, cell: Cell) -> bool:
        return any(entry.startswith(cell.key) for entry in self.instruments.vectors(INDEX))


ROWS: Final[tuple[type[Row], ...]] = (
    # What comes early is over, or waits alone, when the next begins.
    DatabaseWriteError,
    ReorderedDelivery,
    AiShort,
    AiDimension,
    UpsertError,
    DeleteError,
    DuplicateDelivery,
    SendFailure,
    # The last one plays alone.
    Killed,
)
