"""Requests for embeddings: one job a record, announced where the window has a place."""

from __future__ import annotations

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.jobs.conditions import JobCondition, RecordIs
from cognate.jobs.queue import WINDOW
from tests.stage.platform import ACME, CLAIMS, Stage


async def test_a_batch_without_requests_runs_nothing() -> None:
    """A table that embeds nothing costs no statement."""
    requests = EmbeddingRequests(ACME, Stage().local.clock.now())

    assert requests.statements == []
    assert requests.announced([]) == []


async def test_only_new_jobs_are_announced() -> None:
    """A queued job of the record has its message already."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    [jobs] = await stage.request(CLAIMS, [EmbeddingRequest("r1"), EmbeddingRequest("r2")])

    assert jobs["r1"] == job_id
    assert jobs["r2"] != job_id
    assert [body["jobId"] for body in stage.local.queue.waiting] == [job_id, jobs["r2"]]


async def test_a_request_takes_only_the_places_that_are_left() -> None:
    """The other jobs of one request wait."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(WINDOW - 1)})
    await stage.request(CLAIMS, [EmbeddingRequest(name) for name in ("a", "b", "c")])

    rows = await stage.rows(
        "SELECT record_id, announced FROM cognate_jobs "
        "WHERE record_id IN ('a', 'b', 'c') ORDER BY 1"
    )
    assert [(row["record_id"], row["announced"]) for row in rows] == [("a", 1), ("b", 0), ("c", 0)]


async def test_a_counted_record_keeps_its_revision() -> None:
    """Its table's trigger has raised it; any other request raises it."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    before = (await stage.state(ACME, "r1"))["revision"]
    await stage.request(CLAIMS, [EmbeddingRequest("r1", is_counted=True)])
    counted = (await stage.state(ACME, "r1"))["revision"]
    await stage.request(CLAIMS, [EmbeddingRequest("r1")])

    assert counted == before
    assert (await stage.state(ACME, "r1"))["revision"] == before + 1


async def test_what_does_not_meet_the_condition_gets_no_job() -> None:
    """Neither a job nor a state row."""
    stage = Stage()
    requests = EmbeddingRequests(ACME, stage.local.clock.now())
    requests.add(
        CLAIMS,
        [EmbeddingRequest("no record")],
        source="test",
        condition=JobCondition(RecordIs.LIVE),
    )
    answers = await stage.local.database.batch(requests.statements)

    assert requests.queued(answers) == [{}]
    assert await stage.rows("SELECT 1 FROM cognate_embeddings") == []
