"""`docs/architecture.md` is held against the code: its rooms, its owners, its drawing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cognate.consumer import consume
from cognate.jobs.job import JobStatus
from cognate.jobs.messages import Delivery
from tests.stage.faults import Worker
from tests.stage.http import SCHEMA, ApiStage
from tests.stage.platform import ACME, DEAD_LETTERS, QUEUE
from tests.unit.test_architecture import FLOORS

if TYPE_CHECKING:
    from cognate.jobs.messages import RetryDelays

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NOTHING: Final = "[*]"
"""What a job is before it is made and after it was removed, in the drawing."""

RETENTION_SECONDS: Final = 31 * 86_400
WATCH: Final = """
CREATE TABLE watched (before TEXT, after TEXT)

CREATE TRIGGER made AFTER INSERT ON cognate_jobs
BEGIN INSERT INTO watched VALUES ('[*]', NEW.status); END

CREATE TRIGGER changed AFTER UPDATE OF status ON cognate_jobs WHEN NEW.status <> OLD.status
BEGIN INSERT INTO watched VALUES (OLD.status, NEW.status); END

CREATE TRIGGER removed AFTER DELETE ON cognate_jobs
BEGIN INSERT INTO watched VALUES (OLD.status, '[*]'); END
""".strip().split("\n\n")
"""Statements by which the database writes down each change of a job's status."""


def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def _first_paths(section: str) -> list[list[str]]:
    """The paths in the first cell of each row of a table."""
    return [
        re.findall(r"`([^`]+)`", line.split("|")[1])
        for line in section.splitlines()
        if line.startswith("| `")
    ]


def _drawn() -> set[tuple[str, str]]:
    arrows = re.findall(r"^    (\S+) --> (\S+):", _section("The states of a job"), re.MULTILINE)
    return set(arrows)


def _listed() -> set[tuple[str, str]]:
    """The changes in the table beside `JobStatus`; it leaves out what removes a job."""
    row = re.compile(r"^ *\|([a-z, ]*)\| ([a-z, ]+) \| .* \| `", re.MULTILINE)
    return {
        (one.strip() or NOTHING, other)
        for before, after in row.findall(JobStatus.__doc__ or "")
        for one in before.split(",")
        for other in after.split(", ")
        if one.strip() != other
    }


def test_every_room_is_named() -> None:
    """Each package and module directly in `src/cognate`, and the entry; nothing else."""
    section = _section("The rooms")
    there = {
        path.relative_to(ROOT).as_posix() + ("/" if path.is_dir() else "")
        for path in (ROOT / "src" / "cognate").iterdir()
        # A folder that was renamed may keep compiled modules.
        if not path.name.startswith("__") and (path.suffix == ".py" or any(path.glob("*.py")))
    }
    named = set(re.findall(r"`(src/(?:cognate/\w+(?:/|\.py)|entry\.py))`", section))

    assert {*there, "src/entry.py"} == named


def test_the_rooms_stand_in_the_order_of_their_floors() -> None:
    """From the entry down: each room may use only what is below it."""
    floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    listed = [
        path.removeprefix("src/").removeprefix("cognate/").strip("/")
        for [path] in _first_paths(_section("The rooms"))
    ]
    floors = [
        floor_of[name] if name in floor_of else floor_of[name.removesuffix(".py")]
        for name in listed
    ]

    assert sorted(floors, reverse=True) == floors


def test_each_table_is_written_by_its_owner() -> None:
    """No other module has a statement that inserts, updates or deletes rows of it."""
    owners: dict[str, str] = {}
    for line in _section("Who writes which table").splitlines():
        if line.startswith("| `"):
            _, tables, owner, _ = line.split("|")
            owners |= dict.fromkeys(re.findall(r"`(cognate_\w+)`", tables), owner)
    migrations = "".join(path.read_text("utf-8") for path in (ROOT / "migrations").glob("*.sql"))
    assert set(re.findall(r"CREATE TABLE (cognate_\w+)", migrations)) == set(owners)
    writes = re.compile(r"(?:INSERT (?:OR \w+ )?INTO|UPDATE(?: OR \w+)?|DELETE FROM) (cognate_\w+)")
    strangers = {
        (table, path.relative_to(ROOT).as_posix())
        for path in (ROOT / "src").rglob("*.py")
        for table in writes.findall(path.read_text("utf-8"))
        if not any(
            path.relative_to(ROOT).as_posix().startswith(owner)
            for owner in re.findall(r"`(src/[^`]+)`", owners[table])
        )
    }

    assert strangers == set()


def test_every_status_is_drawn() -> None:
    """A new status needs its place in the drawing."""
    assert {*JobStatus, NOTHING} == {name for arrow in _drawn() for name in arrow}


class _Watched(ApiStage):
    """A stage whose database writes down each change of a job's status."""

    def __init__(self) -> None:
        super().__init__()
        self.platform = self.local
        for statement in WATCH:
            self.sql(statement)

    def seen(self) -> set[tuple[str, str]]:
        """Return the changes so far."""
        rows = self.sql("SELECT DISTINCT before, after FROM watched")
        return {(row["before"], row["after"]) for row in rows}

    async def create(self, record_id: str) -> None:
        """Create a claim by HTTP, and wait a moment."""
        answer = await self.ask("POST", "/api/v1/claims", {"id": record_id, "content": record_id})
        assert answer.status == 201
        self.local.clock.advance(0.001)

    async def change(self, record_id: str) -> None:
        """Change its text."""
        path = f"/api/v1/claims/{record_id}"
        assert (await self.ask("PATCH", path, {"content": f"new {record_id}"})).status == 200

    async def fail(self, record_id: str) -> str:
        """Let its job fail for good, and return the id of the job."""
        await self.create(record_id)
        self.fault("run", message="5004: bad input", count=9)
        await self.drain()
        self.local.bindings.faults.clear()
        jobs = await self.ask("GET", f"/api/v1/embeddings/jobs?table=claims&id={record_id}")
        [job] = jobs.json["data"]
        assert job["status"] == "failed"
        return str(job["jobId"])

    def start(self) -> tuple[Worker[RetryDelays], list[Delivery]]:
        """Start a consumer of what is in the queue; it stops before each call."""
        deliveries = self.local.queue.take()
        return Worker(
            self.local, lambda ports: consume(ports, SCHEMA, QUEUE, deliveries)
        ), deliveries


async def test_the_drawing_has_the_changes_of_status_that_happen() -> None:
    """Each arrow is walked once, and no other change of a status is seen."""
    stage = _Watched()
    # It is done at the first try, or at the second.
    await stage.create("done")
    await stage.drain()
    await stage.create("again")
    stage.fault("run", message="3040: out of capacity")
    await stage.drain()
    await stage.settle()
    # It fails, and is retried, given up, or made up for.
    retried = await stage.fail("retried")
    await stage.ask("POST", f"/api/v1/embeddings/jobs/{retried}/retry")
    await stage.settle()
    dismissed = await stage.fail("dismissed")
    await stage.ask("POST", f"/api/v1/embeddings/jobs/{dismissed}/dismiss")
    replaced = await stage.fail("replaced")
    await stage.change("replaced")
    await stage.ask("POST", f"/api/v1/embeddings/jobs/{replaced}/retry")
    await stage.settle()
    # A message brings a text for a record whose job is queued, and another one makes no sense.
    await stage.create("texted")
    stage.local.queue.take()
    text = {"type": "embedding", "organizationId": ACME, "content": "a text"}
    for number, body in enumerate(({**text, "table": "claims", "id": "texted"}, {"type": "odd"})):
        await stage.consume([Delivery(f"message-{number}", body, 1)])
    await stage.settle()
    # The record changes while its job runs.
    await stage.create("changed")
    worker, _ = stage.start()
    await worker.step()
    await stage.change("changed")
    await worker.finish()
    await stage.settle()
    # The queue gives a message up while its consumer is at work.
    await stage.create("given-up")
    worker, deliveries = stage.start()
    await worker.step()
    await consume(stage.local, SCHEMA, DEAD_LETTERS, deliveries)
    await worker.finish()
    # All is removed in the end, but what can still be retried.
    stage.local.clock.advance(RETENTION_SECONDS)
    await stage.sweep()

    assert _drawn() == stage.seen()
    assert _listed() == {(before, after) for before, after in stage.seen() if after != NOTHING}
