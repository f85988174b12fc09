"""The SQL of a table: its columns, and triggers that mark what is written outside of the API."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.backfill.coverage import Coverage, coverage
from cognate.schema import Cognate, Embeddings, Record, Table
from cognate.schema.ddl import migration_of, missing_triggers, needed_columns, triggers_of
from local.setup.layout import ROOT
from schema import app
from tests.stage.platform import ACME, CLAIMS, GLOBEX, SCHEMA, Stage, articles, claims
from tests.stage.records import TABLES, TRIGGERS, notes, posts

if TYPE_CHECKING:
    from cognate.ports import Row

MARKS: Final = ("changes", "posted_text", "record_gone")


class Odd(Record):
    """A record with SQL keywords as field names."""

    order: str
    group: str | None = None


class Order(Record):
    """A record with SQL keywords as field names, and values of every type."""

    group: str
    select: int
    weight: float | None = None
    is_paid: bool
    day: str
    tags: list[str] | None = None


orders = Table("orders", Order, soft_delete=True, embeddings=Embeddings(fields=["group"]))


async def _triggers(stage: Stage) -> dict[str, str]:
    rows = await stage.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {row["name"]: row["sql"] for row in rows}


async def _marks(stage: Stage, record_id: str, scope: str = "claims") -> dict[str, Any]:
    row: Row = await stage.state(ACME, record_id, scope)
    return {name: row[name] for name in MARKS}


def test_the_sample_migration_is_what_is_printed() -> None:
    """They are equal word for word, because users take it as an example."""
    migration = (ROOT / "migrations" / "0002_create_sample_tables.sql").read_text("utf-8")

    assert migration.endswith(f"{migration_of(claims)}\n{migration_of(articles)}")


def test_the_table_has_the_columns_and_triggers_that_it_needs() -> None:
    """SQLite runs the migration and shows nothing else than what is needed."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(migration_of(orders))
        columns = connection.execute(
            'SELECT name, type, "notnull" FROM pragma_table_info(?)', ["orders"]
        )
        made = {name: (kind, bool(required)) for name, kind, required in columns}
        triggers = dict(
            connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        )

    assert sorted(made) == sorted(needed_columns(orders))
    assert missing_triggers(orders, triggers) == []
    assert triggers.keys() == triggers_of(orders).keys()
    assert {name: made[name] for name in orders.fields} == {
        "group": ("TEXT", True),
        "select": ("INTEGER", True),
        "weight": ("REAL", False),
        "is_paid": ("INTEGER", True),
        "day": ("TEXT", True),
        "tags": ("TEXT", False),
    }


@pytest.mark.parametrize("table", [*app.tables.values(), claims, articles], ids=str)
async def test_every_table_of_the_schema_has_its_triggers(table: Table) -> None:
    """The migrations make all triggers that the schema needs."""
    assert await _triggers(Stage()) != {}
    assert missing_triggers(table, await _triggers(Stage())) == []


def test_what_is_lacking_is_named() -> None:
    """A missing trigger is named, and one with other SQL too."""
    found = triggers_of(claims)
    del found["claims_deleted"]
    found["claims_changed"] = found["claims_changed"].replace("OR", "AND")
    assert missing_triggers(claims, found) == ["claims_changed", "claims_deleted"]
    assert missing_triggers(claims, {}) == ["claims_inserted", "claims_changed", "claims_deleted"]


def test_a_table_without_embeddings_needs_none() -> None:
    """It has no vectors that could become stale."""
    assert triggers_of(notes) == {}


async def test_names_of_any_kind_can_be_installed() -> None:
    """SQLite accepts SQL keywords as names, and returns the statements unchanged."""
    stage = Stage()
    table = Table("select", Odd, embeddings=Embeddings(fields=["order"], metadata=["group"]))
    await stage.rows('CREATE TABLE "select" (organization_id, id, "order", "group")')
    for sql in triggers_of(table).values():
        await stage.rows(sql)
    assert missing_triggers(table, await _triggers(stage)) == []


async def test_an_insertion_counts_as_a_change() -> None:
    """`REPLACE` drops the vectors of a row, and a text that was posted for the old row ends."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.write(GLOBEX, "r1", "a text")
    await stage.settle()
    await stage.post(ACME, "posted", "r1")
    before = await _marks(stage, "r1")
    sql = "INSERT OR REPLACE INTO claims (organization_id, id, content) VALUES (?1, ?2, ?3)"
    await stage.rows(sql, ACME, "r1", "a text")

    assert await _marks(stage, "r1") == {
        "changes": before["changes"] + 1,
        "posted_text": None,
        "record_gone": 0,
    }
    assert (await stage.state(GLOBEX, "r1"))["changes"] == 0


@pytest.mark.parametrize(
    ("change", "posted"),
    [
        ("content = 'x'", None),
        ("story_id = 'x'", "posted"),
        ("content = 'x', story_id = 'x'", None),
    ],
)
async def test_a_posted_text_ends_with_a_change_of_the_text(
    change: str, posted: str | None
) -> None:
    """A change of the metadata alone keeps the posted text."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.post(ACME, "posted", "r1")
    before = (await _marks(stage, "r1"))["changes"]
    await stage.rows(f"UPDATE claims SET {change}")  # noqa: S608 - of this test
    expected = {"changes": before + 1, "posted_text": posted, "record_gone": 0}
    assert await _marks(stage, "r1") == expected


async def test_a_deletion_is_marked_until_the_record_is_there_again() -> None:
    """The cron task removes the vectors of a record while the mark is set."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.rows("DELETE FROM claims")
    assert (await _marks(stage, "r1"))["record_gone"] == 1
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'r1', 'x')", ACME
    )
    assert (await _marks(stage, "r1"))["record_gone"] == 0


async def test_a_soft_deletion_is_marked_and_taken_back() -> None:
    """Any write of `deleted_at` sets or clears the mark."""
    stage = Stage(Cognate(tables=[posts]))
    for sql in [TABLES.split(";")[0], *TRIGGERS]:
        await stage.rows(sql)
    assert missing_triggers(posts, await _triggers(stage)) == []
    collection = stage.collections["posts"]
    times = {"created_at": "", "updated_at": ""}
    await stage.put(collection, ACME, "p1", title="a text", **times)
    await stage.settle()
    marked = []
    for moment in ("'2026'", "'2027'", "NULL"):
        await stage.rows(f"UPDATE posts SET deleted_at = {moment}")  # noqa: S608 - of this test
        marks = await _marks(stage, "p1", "posts")
        marked.append((marks["record_gone"], marks["changes"]))
    assert marked == [(1, 1), (1, 1), (0, 2)]


@pytest.mark.parametrize("triggers", [True, False])
async def test_a_replaced_record_is_stale_with_or_without_a_trigger(*, triggers: bool) -> None:
    """Coverage checks the stored vectors themselves."""
    stage = Stage()
    if not triggers:
        for name in triggers_of(claims):
            await stage.rows(f"DROP TRIGGER {name}")
    await stage.write(ACME, "r1", "a text")
    await stage.write(ACME, "r2", " ")
    await stage.settle()
    sql = "INSERT OR REPLACE INTO claims (organization_id, id, content) VALUES (?1, ?2, ?3)"
    await stage.rows(sql, ACME, "r1", "a text")
    [found] = await coverage(stage.platform, ACME, [CLAIMS])
    assert isinstance(found, Coverage)
    assert (found.embedded, found.stale) == (1, 1)


def test_the_sample_schema_is_that_of_the_stage() -> None:
    """So these tests are about the triggers that users have."""
    assert triggers_of(app.table("claims")) == triggers_of(SCHEMA.table("claims"))
