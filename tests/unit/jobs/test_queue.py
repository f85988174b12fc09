"""Windows: nobody's bulk work is ahead of anybody's next record by more than a bound."""

from __future__ import annotations

from cognate.errors import QueueError
from cognate.jobs.queue import WINDOW
from cognate.ports import Statement
from tests.stage.platform import ACME, GLOBEX, Stage

ROOM = 100
"""Messages of one batch of the queue."""


async def test_only_a_window_of_an_organization_is_in_the_queue() -> None:
    """What does not fit waits in D1, and is let out as earlier jobs finish."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(WINDOW + 150)})

    assert len(stage.local.queue.waiting) == WINDOW
    await stage.deliver()
    assert len(stage.local.queue.waiting) == WINDOW
    await stage.drain()
    assert await stage.jobs() == ["done"] * (WINDOW + 150)


async def test_an_import_of_one_does_not_hold_up_another() -> None:
    """The other's record is done after at most a window of messages and its own batch."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(2 * WINDOW)})
    job = await stage.write(GLOBEX, "r1", "a text")
    deliveries = 0
    while await stage.status(job) != "done":
        await stage.deliver()
        deliveries += 1
    assert deliveries <= WINDOW // ROOM + 1


async def test_what_waits_for_another_try_leaves_room() -> None:
    """After an outage a new record goes at once, however many others wait for their retry."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "an old text" for number in range(WINDOW)})
    stage.fault("run", message="3040: out of capacity", count=1000)
    await stage.drain()
    stage.local.bindings.faults.clear()
    job = await stage.write(ACME, "new", "a new text")

    await stage.deliver()
    assert await stage.status(job) == "done"


async def test_a_job_that_waits_serves_all_writes_of_its_record() -> None:
    """Equal pending jobs of a record are one, which embeds the newest text."""
    stage = Stage()
    jobs = {await stage.write(ACME, "r1", f"text {number}") for number in range(5)}
    await stage.drain()

    assert len(jobs) == 1
    assert stage.calls("AI.run") == 1
    assert await stage.discrepancies() == []


async def test_a_write_lets_a_failing_job_start_afresh() -> None:
    """The new text is not charged with the failures of the old one, and does not wait for them."""
    stage = Stage()
    job = await stage.write(ACME, "r1", "old")
    stage.fault("run", "short")
    await stage.deliver()
    assert (await stage.job(job))["charges"] == 1
    assert await stage.write(ACME, "r1", "new") == job
    row = await stage.job(job)
    assert (row["charges"], row["attempts"], row["error_code"]) == (0, 0, None)
    await stage.deliver()
    assert await stage.status(job) == "done"


async def test_a_queue_in_an_outage_loses_nothing() -> None:
    """The record and its job are there; the sweeper announces it."""
    stage = Stage()
    stage.local.queue.outage = QueueError("out of reach")
    job = await stage.write(ACME, "r1", "a text")
    assert await stage.status(job) == "queued"
    stage.local.queue.outage = None
    await stage.settle()
    assert await stage.status(job) == "done"


async def test_a_window_belongs_to_one_organization() -> None:
    """Letting out one's jobs lets out nobody else's."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.local.database.batch([Statement("UPDATE cognate_jobs SET announced = 0")])
    stage.local.queue.drop()
    await stage.write(GLOBEX, "r1", "a text")
    await stage.drain()

    rows = await stage.rows("SELECT organization_id, status FROM cognate_jobs ORDER BY 1")
    assert rows == [
        {"organization_id": ACME, "status": "queued"},
        {"organization_id": GLOBEX, "status": "done"},
    ]


async def test_a_queued_job_belongs_to_one_organization() -> None:
    """Another's record of that id gets a job of its own."""
    stage = Stage()
    jobs = [await stage.write(organization, "r1", "a text") for organization in (ACME, GLOBEX)]

    rows = await stage.rows("SELECT organization_id, id FROM cognate_jobs ORDER BY 1")
    assert [(row["organization_id"], row["id"]) for row in rows] == [
        (ACME, jobs[0]),
        (GLOBEX, jobs[1]),
    ]
    assert jobs[0] != jobs[1]
