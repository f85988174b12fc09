"""One cell of the fault matrix: an organization, what is done to its record, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from cognate.chunking import chunk
from cognate.ids import vector_key
from tests.demonstration import app
from tests.stage.platform import long_text
from tests.worker.recording import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.worker.instruments import Event, Instruments
    from tests.worker.organization import Organization

Operation = Literal["create", "update", "delete", "backfill"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)

RECORD: Final = "claim"
"""The id of every cell's record: the same in each organization."""

CLAIMS: Final = app.collections["claims"]
INDEX: Final = CLAIMS.model.index_binding


@dataclass
class Cell:
    """What happens to one record of one organization.

    Attributes:
        row: the name of the fault.
        operation: what is done while it lasts.
        organization: nobody else's, so that a fault can be meant for it alone.
        is_long: whether the text that is updated has a chunk more than the new one.
        text: what the record says in the end; None once it is deleted.
        texts: what it has said since the fault was armed.
        figures: what it cost, once the matrix has run.
    """

    row: str
    operation: Operation
    organization: Organization
    is_long: bool = False
    text: str | None = None
    texts: list[str] = field(default_factory=list)
    figures: Figures | None = None

    @property
    def slug(self) -> str:
        """A word that no other cell's texts contain."""
        return self.organization.demo.slug

    @property
    def key(self) -> str:
        """What the ids of its vectors begin with."""
        return vector_key(self.organization.demo.id, "claims", RECORD)

    # What is done

    def prepare(self, instruments: Instruments) -> None:
        """Bring about what the operation needs, while all is well."""
        if self.operation == "update":
            # A text of two chunks, of which one has to go again, takes the model a second.
            self._create(long_text(2, self.slug) if self.is_long else f"The {self.slug} was.")
        elif self.operation == "delete":
            self._create(f"The {self.slug} is there for a while.")
        elif self.operation == "backfill":
            self.text = f"The {self.slug} was written behind the API."
            instruments.sql(
                "INSERT INTO claims (organization_id, id, content) VALUES (?1, ?2, ?3)",
                self.organization.demo.id,
                RECORD,
                self.text,
            )

    def perform(self) -> None:
        """Do the operation."""
        if self.operation == "create":
            self._create(f"The {self.slug} is new here.")
        elif self.operation == "update":
            self.change(f"The {self.slug} says something else.")
        elif self.operation == "delete":
            self.remove()
        else:
            self._note(self.text or "")
            answer = self.organization.post("/embeddings/backfill", {"table": "claims"})
            assert answer.status_code == 202, answer.text

    def overtake(self) -> None:
        """Change the record again, while what was done is still under way."""
        if self.operation == "delete":
            self._create(f"The {self.slug} has come back.")
        else:
            self.change(f"The {self.slug} has changed its mind.")

    def change(self, text: str) -> None:
        """The record says something else from now on."""
        answer = self.organization.patch(f"/claims/{RECORD}", {"content": text})
        assert answer.status_code == 200, answer.text
        self._note(text)

    def remove(self) -> None:
        """There is no record from now on."""
        answer = self.organization.delete(f"/claims/{RECORD}")
        assert answer.status_code == 200, answer.text
        self.text = None

    def _create(self, text: str) -> None:
        answer = self.organization.post("/claims", {"id": RECORD, "content": text})
        assert answer.status_code == 201, answer.text
        self._note(text)

    def _note(self, text: str) -> None:
        self.text = text
        self.texts.append(text)

    # What came of it

    @property
    def vectors(self) -> list[str]:
        """The ids that the index must have in the end."""
        return [f"{self.key}.{number}" for number in range(len(_parts(self.text or "")))]

    def jobs(self, instruments: Instruments) -> list[dict[str, Any]]:
        """Every job of the organization."""
        return instruments.sql(
            "SELECT * FROM cognate_jobs WHERE organization_id = ?1 ORDER BY created_at, id",
            self.organization.demo.id,
        )

    def is_final(self, instruments: Instruments) -> bool:
        """Whether nothing is left to do."""
        [open_ones] = instruments.sql(
            "SELECT (SELECT COUNT(*) FROM cognate_jobs WHERE organization_id = ?1 "
            "AND status IN ('queued', 'running')) + (SELECT COUNT(*) FROM cognate_backfills "
            "WHERE organization_id = ?1 AND status = 'running') AS count",
            self.organization.demo.id,
        )
        return bool(open_ones["count"] == 0)


@dataclass(frozen=True)
class Figures:
    """What a cell cost since the fault was armed.

    Attributes:
        jobs: the status of each, in order.
        tries: times that its jobs were started.
        code: why a job failed; None when none did.
        answered: chunks of text for which the model answered usable vectors.
        lost: of those, whose invocation could not store them: the need to embed them again.
        repeated: of those, that were embedded though they had been stored before.
        refused: texts in calls that failed or were unusable.
        upserts: calls that wrote a vector of the record.
        deletes: calls that removed one.
    """

    jobs: tuple[str, ...]
    tries: int
    code: str | None
    answered: int
    lost: int
    repeated: int
    refused: int
    upserts: int
    deletes: int

    @classmethod
    def of(
        cls, cell: Cell, events: Sequence[Event], jobs: Sequence[dict[str, Any]], before: int
    ) -> Figures:
        """Count.

        Args:
            cell: of whose record.
            events: of the log, since the fault was armed.
            jobs: of the cell's organization.
            before: how many of them are older than that.
        """
        new = jobs[before:]
        mine = {digest(part) for text in cell.texts for part in _parts(text)}
        calls = [event for event in events if event["event"] == "test.embedded"]
        stored = {
            event["invocation"]
            for event in events
            if event["event"] == "test.stored"
            and event["outcome"] == "done"
            and cell.key in event["keys"]
        }
        usable = [event for event in calls if event["outcome"] == "usable"]
        kept = [
            text
            for event in usable
            if event["invocation"] in stored
            for text in event["texts"]
            if text in mine
        ]
        answered = _texts(usable, mine)
        return cls(
            jobs=tuple(job["status"] for job in new),
            tries=sum(job["attempts"] for job in new),
            code=next((job["error_code"] for job in new if job["status"] == "failed"), None),
            answered=answered,
            lost=answered - len(kept),
            repeated=len(kept) - len(set(kept)),
            refused=_texts([event for event in calls if event["outcome"] != "usable"], mine),
            upserts=_writes(events, "test.upserts", cell.key),
            deletes=_writes(events, "test.deletes", cell.key),
        )


def _parts(text: str) -> list[str]:
    return [text[part.start : part.end] for part in chunk(text, CLAIMS.model.max_tokens)]


def _texts(calls: Sequence[Event], mine: set[str]) -> int:
    return sum(text in mine for call in calls for text in call["texts"])


def _writes(events: Sequence[Event], name: str, key: str) -> int:
    return sum(
        any(entry.startswith(key) for entry in event["ids"])
        for event in events
        if event["event"] == name
    )
