"""The SQL of a search reads what it answers, whatever the size of the organization."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cognate.embedding.sketches import letters_of
from cognate.ids import vector_key
from cognate.ports import Statement
from cognate.search.candidates import (
    KEY_LETTERS,
    MAX_ORPHANS_READ,
    MAX_SKETCHES,
    PARTS,
    SearchTarget,
    read_matched,
    read_pending,
    read_recent,
    read_sketches,
    read_stale,
)
from cognate.search.filters import Filter, parse_filter
from cognate.sql import json_groups
from cognate.times import to_iso
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage

if TYPE_CHECKING:
    from cognate.ports import Row

NONE = Filter()


async def run(stage: Stage, statement: Statement) -> list[Row]:
    """Run one statement and return its rows."""
    [rows] = await stage.local.database.batch([statement])
    return rows


async def plan(stage: Stage, statement: Statement) -> list[str]:
    """SQLite's query plan of a statement, line by line."""
    explain = Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    return [row["detail"] for row in await run(stage, explain)]


@pytest.mark.parametrize("analysed", [False, True])
async def test_no_statement_walks_over_an_organization(*, analysed: bool) -> None:
    """Each statement finds its rows by a key, with and without statistics of the database."""
    stage = Stage()
    for organization in (ACME, GLOBEX):
        await stage.write_many(organization, {f"r{n}": f"text {n}" for n in range(150)})
    await stage.drain()
    await stage.show()
    if analysed:
        await stage.rows("ANALYZE")
    now = stage.local.clock.now()
    key = {"key": vector_key(ACME, "claims", "r1"), "chunk": 0}
    where = parse_filter({"storyId": "s1"}, CLAIMS.filter_fields)
    target = SearchTarget(CLAIMS, ACME, where, to_iso(now))
    for statement in (
        read_matched(target, [key]),
        read_recent(target),
        read_sketches(target, 10),
        read_stale(target),
        read_pending(target),
    ):
        lines = await plan(stage, statement)
        walks = [
            line
            for line in lines
            if "SCAN" in line
            and ("claims" in line or "cognate" in line or line.endswith((" s", " r")))
        ]
        # State rows are read by key, by recency or by fingerprint only.
        state = [line for line in lines if "SEARCH s " in line or "cognate_embeddings" in line]
        assert walks == [], lines
        assert all(
            any(
                word in line
                for word in ("vector_key>?", "record_id=?", "shown_after", "fingerprint")
            )
            for line in state
        ), lines


async def test_sketches_come_in_parts_that_d1_can_answer() -> None:
    """Each part is below the 2,000,000 bytes of a D1 value, with keys and sketches in order."""
    stage = Stage()
    size = letters_of(CLAIMS.model.dimensions)
    names = [f"r{number}" for number in range(MAX_SKETCHES)]
    state = await fingerprint_of(stage)
    records = [
        {
            "id": name,
            "key": vector_key(ACME, "claims", name),
            "sketch": f"{number:0{size}}",
        }
        for number, name in enumerate(names)
    ]
    for payload in json_groups(records):
        await stage.rows(
            "INSERT INTO claims (organization_id, id, content) "
            "SELECT ?1, value ->> 'id', 'x' FROM json_each(?2)",
            ACME,
            payload,
        )
        await stage.rows(
            "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
            "revision, fingerprint, chunks, embedded_at, sketch) SELECT ?1, 'claims', "
            "value ->> 'id', value ->> 'key', 1, ?3, '[[0,1]]', '2026', "
            "value ->> 'sketch' FROM json_each(?2)",
            ACME,
            payload,
            state,
        )
    target = SearchTarget(CLAIMS, ACME, NONE, to_iso(stage.local.clock.now()))
    [row] = await run(stage, read_sketches(target, MAX_SKETCHES + 1))
    assert (row["chunks"], row["records"], row["missing"]) == (MAX_SKETCHES, MAX_SKETCHES, 0)
    parts = range(len(PARTS) - 1)
    assert max(len(row[f"sketches{part}"]) for part in parts) < 2_000_000
    found: dict[str, str] = {}
    for part in parts:
        keys, digits = row[f"keys{part}"].split(","), row[f"sketches{part}"]
        assert len(digits) == size * len(keys)
        for place, key in enumerate(keys):
            found[key] = digits[place * size : (place + 1) * size].lower()
    assert found == {record["key"][:KEY_LETTERS]: record["sketch"] for record in records}
    [row] = await run(stage, read_sketches(target, 3))
    assert (row["chunks"], row["records"]) == (3, 3)


async def fingerprint_of(stage: Stage) -> str:
    """The fingerprint that a claim gets now."""
    await stage.write(GLOBEX, "r1", "text")
    await stage.drain()
    return str((await stage.state(GLOBEX, "r1"))["fingerprint"])


@pytest.mark.parametrize(
    ("orphans", "alive", "stale"),
    [(0, 0, False), (5, 0, False), (5, 1, True), (MAX_ORPHANS_READ - 1, 0, False)],
)
async def test_only_living_records_are_stale(orphans: int, alive: int, *, stale: bool) -> None:
    """State rows whose records were deleted by SQL make no search degraded."""
    stage = Stage()
    names = [f"r{number:03}" for number in range(orphans + alive)]
    await stage.write_many(ACME, {name: f"text {name}" for name in names})
    await stage.drain()
    await stage.rows("UPDATE cognate_embeddings SET fingerprint = 'older'")
    await stage.rows("DELETE FROM claims WHERE id < ?1", f"r{orphans:03}")
    assert bool(await run(stage, read_stale(SearchTarget(CLAIMS, ACME, NONE)))) is stale


async def test_very_many_orphans_are_told() -> None:
    """With too many state rows to check, a search reports stale records."""
    stage = Stage()
    names = [f"r{number:03}" for number in range(MAX_ORPHANS_READ)]
    await stage.write_many(ACME, {name: f"text {name}" for name in names})
    await stage.drain()
    await stage.rows("UPDATE cognate_embeddings SET fingerprint = 'older'")
    await stage.rows("DELETE FROM claims")
    assert await run(stage, read_stale(SearchTarget(CLAIMS, ACME, NONE)))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"storyId": "a"}, {"r1"}),
        ({"storyId": {"$ne": "a"}}, {"r2", "r3"}),
        ({"storyId": {"$in": ["a", "c"]}}, {"r1", "r3"}),
        ({"storyId": {"$nin": ["a", "c"]}}, {"r2"}),
        ({"storyId": {"$gte": "b"}}, {"r2", "r3"}),
        ({"storyId": {"$gt": "a", "$lt": "c"}}, {"r2"}),
        ({"storyId": "A"}, set()),
    ],
)
async def test_filters_choose_in_sql_what_they_choose_in_python(
    condition: dict[str, object], expected: set[str]
) -> None:
    """SQL and `Filter.matches` choose the same records."""
    stage = Stage()
    for record, story in (("r1", "a"), ("r2", "b"), ("r3", "c"), ("r4", None)):
        await stage.write(ACME, record, f"text {record}", story)
    await stage.drain()
    where = parse_filter(condition, CLAIMS.filter_fields)
    target = SearchTarget(CLAIMS, ACME, where, to_iso(stage.local.clock.now()))
    rows = await run(stage, read_recent(target))
    assert {row["record_id"] for row in rows} == expected
    assert {
        row["record_id"] for row in rows if where.matches({"storyId": row["field_story_id"]})
    } == (expected)
    assert all(json.loads(row["chunks"]) for row in rows)
