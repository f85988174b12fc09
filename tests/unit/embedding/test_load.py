"""Start jobs and load their records; a job that another consumer runs is left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cognate.consumer import receive
from cognate.embedding.load import Wave, load_records
from cognate.ids import derived_id
from cognate.jobs.messages import Delivery, reference
from cognate.jobs.run import LEASE
from cognate.texts.arrivals import arrival_statements
from cognate.times import to_milliseconds
from tests.stage.platform import ACME, CLAIMS, COLLECTIONS, GLOBEX, Stage

if TYPE_CHECKING:
    from cognate.ports import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""When a `Delivery` was sent that does not say."""
FOREIGN = {"type": "embedding", "organizationId": ACME, "content": "a text"}


async def take(stage: Stage, *bodies: object, attempts: int = 1, message_id: str = "m") -> Wave:
    """Read the records of messages with these bodies, each with an id of its own."""
    deliveries = [
        Delivery(f"{message_id}{number}", body, attempts) for number, body in enumerate(bodies)
    ]
    received = [receive(item, COLLECTIONS) for item in deliveries]
    now = stage.local.clock.now()
    keys = {key.job_id: key for item in received if (key := item.key)}
    return await load_records(
        stage.local.database,
        COLLECTIONS,
        list(keys.values()),
        now,
        arrival_statements(received, now),
    )


async def test_a_job_is_started_once() -> None:
    """A running job is not started again."""
    stage = Stage()
    body = reference(ACME, "claims", await stage.write(ACME, "r1", "a text"))
    assert [len((await take(stage, body)).records) for _ in range(2)] == [1, 0]


async def test_a_job_that_is_done_stays_done() -> None:
    """A job that is done is not started again."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    await stage.drain()
    for attempts in (1, 2):
        found = await take(stage, reference(ACME, "claims", job_id), attempts=attempts)
        assert (found.records, await stage.status(job_id)) == ([], "done")


@pytest.mark.parametrize(("attempts", "later", "expected"), [(1, 0, 0), (2, 0, 1), (1, 1, 1)])
async def test_a_running_job_is_taken_over_from_the_dead(
    attempts: int, later: int, expected: int
) -> None:
    """A running job is started again if its message came back or its lease is over."""
    stage = Stage()
    body = reference(ACME, "claims", await stage.write(ACME, "r1", "a text"))
    await take(stage, body)
    stage.local.clock.advance(later * (LEASE.total_seconds() + 0.001))
    records = (await take(stage, body, attempts=attempts)).records
    assert len(records) == expected
    assert [record.is_uncertain for record in records] == [True] * expected


async def test_a_message_twice_in_a_batch_is_one_task() -> None:
    """Two messages of one job start it once."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    found = await take(stage, *[reference(ACME, "claims", job_id)] * 2)
    assert [[job.id for job in record.jobs] for record in found.records] == [[job_id]]
    deliveries = [Delivery(name, reference(ACME, "claims", job_id), 1) for name in ("m0", "m1")]
    assert [receive(item, COLLECTIONS).job_id for item in deliveries] == [job_id, job_id]


async def test_two_jobs_of_a_record_are_one_task_with_the_latest_first() -> None:
    """Two jobs of one record are loaded as one record, the latest job first."""
    stage = Stage()
    first = await stage.write(ACME, "r1", "a text")
    await take(stage, reference(ACME, "claims", first))
    stage.local.clock.advance(1)
    second = await stage.write(ACME, "r1", "another text")
    bodies = [reference(ACME, "claims", second), reference(ACME, "claims", first)]
    [record] = (await take(stage, *bodies, attempts=2)).records
    assert [job.id for job in record.jobs] == [second, first]
    assert (record.text, record.is_uncertain) == ("another text", True)


@pytest.mark.parametrize(
    ("organization", "scope", "expected"),
    [(ACME, "claims", 1), (GLOBEX, "claims", 0), (ACME, "articles", 0), (ACME, "no table", 0)],
)
async def test_a_message_names_the_whole_key_of_its_job(
    organization: str, scope: str, expected: int
) -> None:
    """A job is found whatever scope its message names."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    found = await take(stage, reference(organization, scope, job_id))
    assert len(found.records) == expected


async def test_a_job_of_a_table_that_is_gone_is_an_orphan() -> None:
    """A job whose table is not in the schema is an orphan."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    await stage.rows("UPDATE cognate_jobs SET scope = 'dropped'")
    found = await take(stage, reference(ACME, "dropped", job_id))
    assert ([job.id for job in found.orphans], found.records) == ([job_id], [])


async def jobs(stage: Stage) -> list[Row]:
    """Read the jobs."""
    return await stage.rows(
        "SELECT id, organization_id, scope, record_id, status, error_code FROM cognate_jobs"
    )


async def test_a_text_of_another_worker_gets_its_job_on_arrival() -> None:
    """A text of another Worker gets one job, also if its message is delivered twice."""
    stage = Stage()
    for attempts in (1, 2):
        [record] = (await take(stage, FOREIGN, attempts=attempts)).records
        assert (record.text, record.record_id) == ("a text", derived_id("job", "m0", EPOCH))
    assert len(await jobs(stage)) == 1
    state = await stage.state(ACME, record.record_id, record.collection.scope)
    assert state["revision"] == to_milliseconds(stage.local.clock.now())


async def test_a_text_for_a_record_takes_the_place_of_what_waits() -> None:
    """A text that arrives supersedes the queued job of its record."""
    stage = Stage()
    waiting = await stage.write(ACME, "r1", "what the record says")
    body = {**FOREIGN, "table": "claims", "id": "r1", "content": "what the message says"}
    await stage.local.queue.send([body])
    reference_to_waiting, _ = stage.local.queue.take()
    stage.local.queue.crash()
    stage.fault("run", message="3040: out of capacity")
    await stage.consume([Delivery("foreign", body, 1)])
    await stage.consume([reference_to_waiting])
    await stage.consume([Delivery("foreign", body, 2)])
    assert await stage.status(waiting) == "superseded"
    assert await stage.status(derived_id("job", "foreign", EPOCH)) == "done"
    vectors = await stage.rows("SELECT hex(embedding) AS v FROM claims")
    answer = await stage.platform.embedder.embed(CLAIMS.model, ["what the message says"])
    assert bytes.fromhex(vectors[0]["v"]) == answer.float32()


async def test_a_text_is_never_put_on_anothers_record() -> None:
    """A text for a record of another organization fails with `RECORD_NOT_FOUND`."""
    stage = Stage()
    await stage.write(GLOBEX, "r1", "theirs")
    await stage.drain()
    await stage.consume([Delivery("m", {**FOREIGN, "table": "claims", "id": "r1"}, 1)])
    await stage.settle()
    assert await stage.discrepancies() == []
    failed = await stage.rows("SELECT * FROM cognate_jobs WHERE status = 'failed'")
    assert [(row["organization_id"], row["error_code"]) for row in failed] == [
        (ACME, "RECORD_NOT_FOUND")
    ]


async def test_what_cannot_be_understood_is_recorded_as_failed() -> None:
    """A message that cannot be parsed is recorded once as a failed job, and stops no other job."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    odd = [None, {"type": "x"}, {**FOREIGN, "content": ""}]
    for _ in range(2):
        found = await take(stage, *odd, reference(ACME, "claims", job_id), attempts=2)
        assert len(found.records) == 1
    rows = await stage.rows("SELECT * FROM cognate_jobs WHERE error_code IS NOT NULL")
    assert sorted((str(row["organization_id"]), row["error_code"]) for row in rows) == [
        ("", "MESSAGE_MALFORMED"),
        ("", "MESSAGE_MALFORMED"),
        (ACME, "MESSAGE_MALFORMED"),
    ]


async def test_half_a_character_in_a_message_stops_nobody() -> None:
    """A text with half a surrogate pair is embedded without that half."""
    stage = Stage()
    await stage.consume([Delivery("m", {**FOREIGN, "content": "odd \ud83d text"}, 1)])
    await stage.settle()
    assert await stage.jobs() == ["done"]
