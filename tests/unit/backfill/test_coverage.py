"""Coverage is exact: it agrees with a model that looks at each record by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognate.backfill.backfills import start_backfill
from cognate.backfill.coverage import LARGE, Coverage, Uncounted, count_statement, coverage
from cognate.backfill.needs import Selection
from cognate.embedding.request import EmbeddingRequest
from cognate.ports import Statement
from cognate.times import to_iso
from local.adapters.manual_clock import START
from tests.stage.platform import ACME, ARTICLES, CLAIMS, GLOBEX, Stage
from tests.steps import steps_of

if TYPE_CHECKING:
    from cognate.schema.collections import Collection

NOW = CLAIMS.model.fingerprint
PENDING = {"queued", "running"}


@dataclass(frozen=True)
class Job:
    """A job of a record; `created` and `completed` are seconds before now."""

    record: str
    status: str
    embeds: int
    created: int
    completed: int


@dataclass(frozen=True)
class World:
    """What two organizations have, with the same record ids."""

    records: dict[str, set[str]]
    states: dict[tuple[str, str], tuple[str | None, str | None]]
    jobs: dict[str, list[Job]]


RECORDS = [f"c{number}" for number in range(6)]
ORGANIZATIONS = [ACME, GLOBEX]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Records, states and jobs in any combination, also of records that are gone."""
    states: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for key in [(name, record) for name in ORGANIZATIONS for record in RECORDS]:
        hashed = draw(st.sampled_from(["none", None, "hash"]))
        if hashed != "none":
            states[key] = (hashed, draw(st.sampled_from([None, NOW, "old"])))
    jobs: dict[str, list[Job]] = {}
    for name in ORGANIZATIONS:
        found = draw(
            st.lists(
                st.builds(
                    Job,
                    st.sampled_from(RECORDS),
                    st.sampled_from(["queued", "running", "done", "failed", "superseded"]),
                    st.integers(0, 1),
                    st.integers(0, 100),
                    st.integers(0, 3),
                ),
                max_size=12,
            )
        )
        queued: set[str] = set()
        jobs[name] = []
        for job in found:
            if job.status == "queued" and job.record in queued:
                continue
            queued |= {job.record} if job.status == "queued" else set()
            jobs[name].append(job)
    return World(
        {name: draw(st.sets(st.sampled_from(RECORDS))) for name in ORGANIZATIONS}, states, jobs
    )


def _class_of(world: World, organization: str, record: str) -> str:
    """The class of one record, told from its definition."""
    mine = [job for job in world.jobs[organization] if job.record == record]
    if any(job.status in PENDING for job in mine):
        return "pending"
    for place, job in enumerate(mine):
        later = [
            other
            for position, other in enumerate(mine)
            if other.status == "done"
            and other.embeds >= job.embeds
            and (-other.completed, position) > (-job.completed, place)
        ]
        if job.status == "failed" and not later:
            return "failed"
    hashed, made_by = world.states.get((organization, record), (None, None))
    if hashed is None:
        return "missing"
    return "embedded" if made_by == NOW else "stale"


def _expected(world: World, organization: str) -> Coverage:
    records = world.records[organization]
    classes = [_class_of(world, organization, record) for record in records]
    ages = [
        job.created
        for job in world.jobs[organization]
        if job.status in PENDING and job.record in records
    ]
    return Coverage(
        "claims",
        len(records),
        classes.count("embedded"),
        classes.count("pending"),
        classes.count("failed"),
        classes.count("stale"),
        classes.count("missing"),
        max(ages, default=None),
        START,
    )


async def _build(stage: Stage, world: World) -> None:
    for name in ORGANIZATIONS:
        for record in world.records[name]:
            await stage.rows(
                "INSERT INTO claims (organization_id, id, content) VALUES (?1, ?2, 'x')",
                name,
                record,
            )
        for number, job in enumerate(world.jobs[name]):
            ended = to_iso(START - timedelta(seconds=job.completed))
            statement = Statement(
                "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, "
                "embeds, due_at, created_at, updated_at, completed_at) "
                "VALUES (?1, ?2, 'claims', ?3, 'write', ?4, ?5, '', ?6, ?6, ?7)",
                (
                    f"{name}{number}",
                    name,
                    job.record,
                    job.status,
                    job.embeds,
                    to_iso(START - timedelta(seconds=job.created)),
                    None if job.status in PENDING else ended,
                ),
            )
            await stage.local.database.batch([statement])
    for (owner, record), (hashed, made_by) in world.states.items():
        statement = Statement(
            "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
            "revision, content_hash, fingerprint) VALUES (?1, 'claims', ?2, ?1 || ?2, 1, ?3, ?4)",
            (owner, record, hashed, made_by),
        )
        await stage.local.database.batch([statement])


@settings(max_examples=150, deadline=None)
@given(worlds())
async def test_the_counts_are_those_of_a_look_at_each_record(world: World) -> None:
    """In each organization, whatever the other one has; and the classes add up."""
    stage = Stage()
    await _build(stage, world)
    for name in ORGANIZATIONS:
        claims, articles = await coverage(stage.platform, name, [CLAIMS, ARTICLES])
        assert claims == _expected(world, name)
        assert articles == Coverage("articles", 0, 0, 0, 0, 0, 0, None, START)


async def test_the_life_of_records() -> None:
    """As it is seen by whoever watches."""

    async def counted(stage: Stage) -> tuple[int, ...]:
        found = await _claims(stage)
        return (found.embedded, found.pending, found.failed, found.stale, found.missing)

    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.write(ACME, "empty", " ")
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'c2', 'x')", ACME
    )
    assert await counted(stage) == (0, 2, 0, 0, 1)
    await stage.settle()
    assert await counted(stage) == (2, 0, 0, 0, 1)
    stage.fault("run", "error", "5004: bad input", count=9)
    stage.local.clock.advance(1)
    await stage.write(ACME, "c1", "a bad text")
    await stage.drain()
    assert await counted(stage) == (1, 0, 1, 0, 1)
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    await stage.write(ACME, "c1", "a good text")
    await stage.settle()
    assert await counted(stage) == (2, 0, 0, 0, 1)
    await stage.rows("UPDATE cognate_embeddings SET fingerprint = 'old'")
    assert await counted(stage) == (0, 0, 0, 2, 1)
    await stage.delete(ACME, "c1")
    assert await counted(stage) == (0, 0, 0, 1, 1)


async def test_what_was_made_up_for_stays_so_when_old_jobs_are_removed() -> None:
    """A done job is not forgotten before the failed one that it made up for."""
    stage = Stage()
    stage.fault("run", "error", "5004: bad input", count=9)
    await stage.write(ACME, "c1", "a bad text")
    await stage.drain()
    stage.local.bindings.faults.clear()
    stage.local.clock.advance(1)
    await stage.write(ACME, "c1", "a good text")
    await stage.settle()
    stage.local.clock.advance(1)
    stage.fault("run", "error", "5004: bad input", count=9)
    last = await stage.write(ACME, "c2", "a bad text")
    await stage.drain()
    stage.local.clock.advance(31 * 24 * 3600)
    for _ in range(3):
        await stage.sweep()
        found = await _claims(stage)
        assert (found.embedded, found.failed) == (1, 1)
    assert [row["id"] for row in await stage.rows("SELECT id FROM cognate_jobs")] == [last]


async def test_counting_walks_over_the_records_once() -> None:
    """All else is looked up by a key."""
    statement = count_statement(ACME, CLAIMS, START)
    explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    [rows] = await Stage().local.database.batch([explain])
    plan = [row["detail"] for row in rows]
    scans = {line for line in plan if line.startswith("SCAN")}
    assert scans <= {"SCAN CONSTANT ROW", "SCAN pending", "SCAN failed", "SCAN p", "SCAN g"}


async def _many(stage: Stage, count: int, organization_id: str = ACME) -> None:
    """Records of which no job knows."""
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) WITH RECURSIVE n (i) AS ("
        "SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST(?2 AS INTEGER)) "
        "SELECT ?1, 'many' || i, 'x' FROM n",
        organization_id,
        str(count),
    )


async def test_the_counts_of_a_large_table_are_kept_for_a_minute() -> None:
    """They say when they were counted, and are exact for that time; of nobody else's records."""
    stage = Stage()
    await _many(stage, LARGE + 1)
    job = await stage.write(ACME, "many1", "a text")
    first = await _claims(stage)
    assert (first.records, first.pending, first.counted_at) == (LARGE + 1, 1, START)
    stage.local.clock.advance(59.999)
    await _many(stage, 3, GLOBEX)
    await stage.rows("DELETE FROM claims WHERE id = 'many7'")
    await stage.drain()
    assert await stage.status(job) == "done"
    assert await _claims(stage) == first
    [theirs] = await coverage(stage.platform, GLOBEX, [CLAIMS])
    assert isinstance(theirs, Coverage)
    assert theirs.records == 3
    stage.local.clock.advance(0.001)

    second = await _claims(stage)

    assert (second.records, second.pending, second.embedded) == (LARGE, 0, 1)
    assert second.counted_at == stage.local.clock.now()


async def test_a_small_table_is_counted_each_time() -> None:
    """Nothing of it is kept."""
    stage = Stage()
    await _many(stage, LARGE)
    assert (await _claims(stage)).records == LARGE
    await stage.rows("DELETE FROM claims WHERE id = 'many7'")
    assert (await _claims(stage)).records == LARGE - 1
    assert await stage.rows("SELECT * FROM cognate_coverage") == []


async def test_a_large_table_is_not_looked_at_while_its_counts_are_kept() -> None:
    """The answer takes no more steps of SQLite than that of an empty table."""
    stage = Stage()
    empty = await steps_of(stage.local.database, lambda: _claims(stage))
    await _many(stage, LARGE + 1)
    counted = await steps_of(stage.local.database, lambda: _claims(stage))
    kept = await steps_of(stage.local.database, lambda: _claims(stage))
    empty, counted, kept = [empty, counted, kept]
    assert counted > 10 * LARGE
    assert kept < 2 * empty


async def test_a_missing_table_spoils_the_counts_of_no_other() -> None:
    """It is named, with the error that says what to do."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.rows("DROP TABLE articles")
    articles, claims = await coverage(stage.platform, ACME, [ARTICLES, CLAIMS])
    assert isinstance(claims, Coverage)
    assert (claims.records, claims.pending) == (1, 1)
    assert isinstance(articles, Uncounted)
    assert (articles.table, articles.error.code) == ("articles", "TABLE_MISSING")


async def test_a_change_behind_the_api_is_stale_until_a_job_has_looked() -> None:
    """Also one that was taken back: nobody but a job can tell."""
    stage = Stage()
    for record_id in ("r1", "r2", "r3"):
        await stage.write(ACME, record_id, "a text", "s1")
    await stage.drain()
    seen = [await _stale(stage)]
    await stage.rows("UPDATE claims SET content = 'another' WHERE id = 'r1'")
    await stage.rows("UPDATE claims SET story_id = 's2' WHERE id = 'r2'")
    await stage.rows("UPDATE claims SET content = 'other' WHERE id = 'r3'")
    await stage.rows("UPDATE claims SET content = 'a text' WHERE id = 'r3'")
    seen.append(await _stale(stage))
    await start_backfill(stage.platform, ACME, CLAIMS, Selection.STALE, None)
    await stage.settle()
    seen.append(await _stale(stage))
    assert await stage.discrepancies() == []
    assert seen == [(3, 0), (0, 3), (3, 0)]


async def test_a_text_that_no_job_may_embed_stays_stale() -> None:
    """A change of metadata alone brings the index up to date, not a text that is not watched."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text", "s1")
    await stage.drain()
    await stage.rows("UPDATE claims SET content = 'another', story_id = 's2'")
    await stage.request(CLAIMS, [EmbeddingRequest("r1", embeds=False)], source="update")
    await stage.drain()

    assert await stage.jobs() == ["done", "done"]
    assert await _stale(stage) == (0, 1)


async def _claims(stage: Stage) -> Coverage:
    [found] = await coverage(stage.platform, ACME, [CLAIMS])
    assert isinstance(found, Coverage)
    return found


async def _stale(stage: Stage) -> tuple[int, int]:
    found = await _claims(stage)
    return found.embedded, found.stale


@pytest.mark.parametrize("collection", [CLAIMS, ARTICLES], ids=lambda item: item.scope)
async def test_each_sample_table_has_its_trigger(collection: Collection) -> None:
    """A change of any field that is embedded or filtered by is counted; the same value is none."""
    stage = Stage()
    fields = dict.fromkeys(collection.fields, "a text")
    await stage.put(collection, ACME, "r1", **fields)
    for number, column in enumerate(collection.columns, start=1):
        for _ in range(2):
            sql = f'UPDATE "{collection.sql_table}" SET "{column}" = 7'  # noqa: S608 - names of the schema
            await stage.rows(sql)
        row = await stage.state(ACME, "r1", collection.scope)
        assert row["changes"] == number
