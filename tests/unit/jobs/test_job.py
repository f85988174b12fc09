"""One job, and lists of them: order, filters, pages, and the indexes that serve them."""

from __future__ import annotations

import itertools

import pytest

from cognate.errors import InvalidInput, NotFound
from cognate.jobs.job import JobFilter, JobStatus, list_jobs, list_statement
from cognate.ports import Statement
from cognate.texts.posted import delete_text, find_job
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage
from tests.steps import steps_of

NARROWED = JobFilter(JobStatus.FAILED, "claims", "c1", "AI_CAPACITY")


async def _ids(stage: Stage, chosen: JobFilter, *, limit: int = 100) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await list_jobs(stage.local.database, ACME, chosen, limit=limit, cursor=cursor)
        found += [job.id for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _populated() -> tuple[Stage, list[str]]:
    """Jobs of two tables, the newest last: four done, the others failed for want of capacity."""
    stage = Stage()
    ids = []
    for number in range(8):
        ids.append(await stage.write(ACME, f"c{number % 4}", f"text {number}"))
        await stage.write(GLOBEX, f"c{number % 4}", f"text {number}")
        if number == 4:
            stage.fault("run", "error", "5004: bad input", count=1000)
        await stage.drain()
        stage.local.clock.advance(1)
    return stage, ids


async def test_the_newest_come_first_on_pages_of_any_size() -> None:
    """No job is repeated or left out."""
    stage, ids = await _populated()
    for limit in (1, 2, 3, 8, 9):
        assert await _ids(stage, JobFilter(), limit=limit) == ids[::-1]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (JobFilter(status=JobStatus.DONE), [3, 2, 1, 0]),
        (JobFilter(status=JobStatus.FAILED), [7, 6, 5, 4]),
        (JobFilter(code="AI_INPUT_REJECTED"), [7, 6, 5, 4]),
        (JobFilter(code="AI_CAPACITY"), []),
        (JobFilter(table="claims", record_id="c1"), [5, 1]),
        (JobFilter(table="claims", record_id="c1", status=JobStatus.DONE), [1]),
        (JobFilter(table="articles"), []),
        (JobFilter(table="claims", code="AI_INPUT_REJECTED", status=JobStatus.DONE), []),
    ],
)
async def test_filters_narrow(chosen: JobFilter, expected: list[int]) -> None:
    """To the organization's own jobs that meet them all."""
    stage, ids = await _populated()
    assert await _ids(stage, chosen, limit=2) == [ids[number] for number in expected]


async def test_a_cursor_belongs_to_its_filters() -> None:
    """Another list refuses it, instead of answering some page."""
    stage, _ = await _populated()
    database = stage.local.database
    page = await list_jobs(database, ACME, JobFilter(), limit=1, cursor=None)
    with pytest.raises(InvalidInput):
        await list_jobs(database, ACME, JobFilter(table="claims"), limit=1, cursor=page.next_cursor)


FILTERS = [
    JobFilter(
        status=NARROWED.status if by_status else None,
        table=NARROWED.table if by_table else None,
        record_id=NARROWED.record_id if by_record else None,
        code=NARROWED.code if by_code else None,
    )
    for by_status, by_table, by_record, by_code in itertools.product([False, True], repeat=4)
    if by_table or not by_record
]


@pytest.mark.parametrize("chosen", FILTERS, ids=repr)
@pytest.mark.parametrize("after", [None, "job_1"])
async def test_an_index_serves_every_combination_of_filters(
    chosen: JobFilter, after: str | None
) -> None:
    """Each column that is asked for narrows the search, and nothing is sorted afterwards.

    Of one record, whose jobs are few, status and code are compared one by one.
    """
    statement = list_statement(ACME, chosen, 51, after)
    explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    [rows] = await Stage().local.database.batch([explain])
    *before, plan = [row["detail"] for row in rows if row["detail"] != "RECURSIVE STEP"]
    if chosen == JobFilter():
        # Of each collection as many as the page has, by the key; these are sorted.
        [*_, plan, last] = [*before, plan]
        assert plan.startswith("SEARCH n USING PRIMARY KEY (organization_id=? AND scope=?")
        assert last == "USE TEMP B-TREE FOR ORDER BY"
        return
    by_key = chosen == JobFilter(table="claims")
    name = "PRIMARY KEY" if by_key else "INDEX cognate_jobs_by_"
    assert before == []
    assert plan.startswith(f"SEARCH cognate_jobs USING {name}")
    asked = {
        "scope": chosen.table,
        "record_id": chosen.record_id,
        "error_code": None if chosen.record_id else chosen.code,
        "status": None if chosen.record_id else chosen.status,
    }
    for column, value in asked.items():
        assert (f"{column}=?" in plan) is (value is not None)


async def test_a_job_tells_where_it_stands() -> None:
    """From queued to done, with times that are moments."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    queued = await find_job(stage.local.database, ACME, job_id)
    stage.local.clock.advance(3)
    await stage.drain()
    done = await find_job(stage.local.database, ACME, job_id)

    assert (queued.status, queued.attempts, queued.completed_at) == (JobStatus.QUEUED, 0, None)
    assert (done.status, done.attempts) == (JobStatus.DONE, 1)
    assert (done.table, done.record_id, done.model) == ("claims", "r1", CLAIMS.model.name)
    assert done.completed_at == stage.local.clock.now()
    assert (done.updated_at - done.created_at).total_seconds() == 3


async def test_a_text_without_a_table_has_none() -> None:
    """How it is kept is nobody's business."""
    stage = Stage()
    job = await find_job(stage.local.database, ACME, await stage.post(ACME, "a text"))
    assert (job.table, job.record_id) == (None, None)


async def test_anothers_job_is_as_unknown_as_none() -> None:
    """The two look the same."""
    stage = Stage()
    job_id = await stage.write(ACME, "r1", "a text")
    messages = []
    for asked in (job_id, "job_none"):
        with pytest.raises(NotFound) as caught:
            await find_job(stage.local.database, GLOBEX, asked)
        messages.append(f"{caught.value.code}: {caught.value}")
    foreign, missing = messages
    assert foreign == missing


async def test_the_job_of_a_text_is_done_while_the_text_is_there() -> None:
    """Though its row was removed; not for anybody else, and not once the text is deleted."""
    stage = Stage()
    job_id = await stage.post(ACME, "a text")
    await stage.drain()
    before = await find_job(stage.local.database, ACME, job_id)
    stage.local.clock.advance(31 * 24 * 3600)
    await stage.sweep()
    assert await stage.jobs() == []

    assert await find_job(stage.local.database, ACME, job_id) == before

    with pytest.raises(NotFound):
        await find_job(stage.local.database, GLOBEX, job_id)
    await delete_text(stage.platform, ACME, job_id)
    with pytest.raises(NotFound):
        await find_job(stage.local.database, ACME, job_id)


async def _steps_of_a_list(table: str | None, jobs: int) -> int:
    """Count the steps of SQLite for a page of so many queued jobs, which is checked too."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(jobs)})
    newest = await stage.rows("SELECT id FROM cognate_jobs ORDER BY id DESC LIMIT 5")
    statement = list_statement(ACME, JobFilter(JobStatus.QUEUED, table), 5, None)

    async def look() -> None:
        assert [newest] == [
            [{"id": row["id"]} for row in rows]
            for rows in await stage.local.database.batch([statement])
        ]

    return await steps_of(stage.local.database, look)


@pytest.mark.parametrize("table", [None, "claims"])
async def test_a_list_of_queued_jobs_reads_its_page(table: str | None) -> None:
    """A page of three times as many jobs takes no more steps."""
    assert await _steps_of_a_list(table, 1800) < 1.1 * await _steps_of_a_list(table, 600)
