"""The SQL over a user's table: bounded statements, versions and sizes of rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cognate.records.plan import Plan
from cognate.records.table_sql import size_expression, write_statements
from tests.stage.platform import ACME, GLOBEX
from tests.stage.records import RecordsStage as Stage
from tests.stage.records import claims, posts

if TYPE_CHECKING:
    from cognate.principal import OrganizationId
    from cognate.schema import Table

NOW = "2026-11-20T12:00:00.000Z"


def created(record_id: str, size: int = 1) -> Plan:
    """A new claim."""
    return Plan(record_id, {"content": "x" * size, "story_id": None})


def test_nothing_is_written_by_no_statement() -> None:
    """Each kind of change takes one statement, and no change takes none."""
    assert write_statements(claims, ACME, [], NOW) == []
    changed = Plan("c2", {"content": "y", "story_id": None}, "version")
    deleted = Plan("c3", None, "version")
    plans = [changed, deleted, *(created(f"n{number}") for number in range(98))]

    sql = [statement.sql for statement in write_statements(claims, ACME, plans, NOW)]

    assert [text.split()[0] for text in sql] == ["INSERT", "UPDATE", "DELETE"]


def test_large_records_are_split_over_statements() -> None:
    """No bound value is larger than D1 accepts."""
    plans = [created(f"c{number}", 400_000) for number in range(10)]
    statements = write_statements(claims, ACME, plans, NOW)

    sizes = [len(str(statement.parameters[1])) for statement in statements]
    assert len(statements) == 4
    assert max(sizes) < 1_500_000


@pytest.mark.parametrize("table", [claims, posts], ids=lambda table: table.name)
async def test_a_row_is_changed_in_its_own_state_and_organization_only(
    stage: Stage, table: Table
) -> None:
    """Another version or another organization changes nothing."""
    fields: dict[str, Any] = {"content": "x"} if table is claims else {"title": "x"}
    before = await stage.create(table, "r1", **fields)
    columns = dict.fromkeys(table.fields) | {next(iter(table.fields)): "stolen"}

    def run(organization_id: OrganizationId, version: str) -> None:
        for plan in (Plan("r1", columns, version), Plan("r1", None, version)):
            for statement in write_statements(table, organization_id, [plan], NOW):
                assert stage.sql(statement.sql, *statement.parameters) == []

    run(ACME, "another version")
    run(ACME, "")
    right = stage.sql(_select_version(table.name, table.fields))[0]["version"]
    run(GLOBEX, right)
    assert await stage.get(table, "r1") == before


def _select_version(table: str, fields: tuple[str, ...]) -> str:
    columns = ", ',', ".join(
        f"quote({name})" for name in ("id", "created_at", "updated_at", *fields)
    )
    return f"SELECT {columns.replace(', ', ' || ')} AS version FROM {table}"  # noqa: S608 - tests


async def test_an_insertion_leaves_alone_what_is_there(stage: Stage) -> None:
    """An id that is taken is skipped and not returned."""
    before = await stage.create(claims, "c1", content="x")
    [statement] = write_statements(claims, ACME, [created("c1", 5), created("c2")], NOW)

    assert [row["id"] for row in stage.sql(statement.sql, *statement.parameters)] == ["c2"]
    assert await stage.get(claims, "c1") == before


@pytest.mark.parametrize("table", [claims, posts], ids=lambda table: table.name)
def test_no_write_walks_over_the_records_of_an_organization(stage: Stage, table: Table) -> None:
    """Each row is found by its key, however many there are."""
    plans = [Plan("r1", dict.fromkeys(table.fields), version) for version in (None, "version")]
    plans.append(Plan("r2", None, "version"))
    details = []
    for statement in write_statements(table, ACME, plans, NOW):
        explained = stage.sql(f"EXPLAIN QUERY PLAN {statement.sql}", *statement.parameters)
        details += [row["detail"] for row in explained]

    searches = [line for line in details if line.startswith("SEARCH")]
    assert searches
    assert [line for line in searches if not line.endswith("(organization_id=? AND id=?)")] == []
    assert [line for line in details if line.startswith("SCAN") and "json_each" not in line] == []


@pytest.mark.parametrize(
    "change",
    [
        "title = 'X'",
        "slug = ''",
        "value = 0.30000000000000004",
        "value = NULL",
        "value = 'text'",
        "year = 1",
        "is_public = 1",
        "tags = '[ ]'",
        "published_at = x'00'",
        "updated_at = ''",
        "title = 'x'',NULL,', slug = NULL",
    ],
)
async def test_any_change_is_another_version(stage: Stage, change: str) -> None:
    """Every change of a column gives another ETag, also a change by SQL."""
    before = await stage.create(posts, "p1", title="x", value=0.3)
    stage.sql(f"UPDATE posts SET {change}")  # noqa: S608 - a table of tests

    assert (await stage.get(posts, "p1")).etag != before.etag


async def test_new_vectors_are_no_other_version(stage: Stage) -> None:
    """New vectors do not change the ETag."""
    before = await stage.create(posts, "p1", title="x")
    await stage.drain()

    assert stage.sql("SELECT length(embedding) AS size FROM posts")[0]["size"] > 0
    assert await stage.get(posts, "p1") == before


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x"},
        {"title": "\u6f22" * 1000, "tags": ["a"] * 100, "year": 2**53 - 1, "value": -1.5e-300},
        {"title": "", "slug": "s" * 5000, "publishedAt": "2026-01-01T00:00:00Z", "isPublic": True},
    ],
)
async def test_the_size_of_a_row_is_about_that_of_its_json(
    stage: Stage, fields: dict[str, Any]
) -> None:
    """The size is never less than the JSON's, because pages are bounded by it."""
    record = dict((await stage.create(posts, "p1", **fields)).json)
    sent = len(json.dumps(record, ensure_ascii=False).encode())

    [row] = stage.sql(f"SELECT {size_expression(posts)} AS size FROM posts r")  # noqa: S608 - a name of the schema

    assert sent <= row["size"] <= 2 * sent + 200


async def test_a_row_that_was_written_behind_the_api_is_a_record(stage: Stage) -> None:
    """Columns without a value are null in the answer."""
    stage.sql(
        "INSERT INTO posts (organization_id, id, title, created_at, updated_at) "
        "VALUES (?1, 'raw', 'x', 'then', 'then')",
        ACME,
    )

    record = await stage.get(posts, "raw")
    assert record.json["tags"] is None
    assert record.json["isPublic"] is False
    # An update writes the default of a field that may not be null.
    assert (await stage.update(posts, "raw", title="y")).json["tags"] == []
