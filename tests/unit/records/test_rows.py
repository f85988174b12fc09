"""What tells two states of a row apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognate.records.table_sql import size_expression
from tests.stage.platform import ACME
from tests.stage.records import RecordsStage as Stage
from tests.stage.records import posts


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
    """Whoever made it, however small it is, and whatever it holds."""
    before = await stage.create(posts, "p1", title="x", value=0.3)
    stage.sql(f"UPDATE posts SET {change}")  # noqa: S608 - a table of tests

    assert (await stage.get(posts, "p1")).etag != before.etag


async def test_new_vectors_are_no_other_version(stage: Stage) -> None:
    """They are no part of what a caller sees."""
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
    """And never less, so that a page is bounded by it."""
    record = dict((await stage.create(posts, "p1", **fields)).json)
    sent = len(json.dumps(record, ensure_ascii=False).encode())

    [row] = stage.sql(f"SELECT {size_expression(posts)} AS size FROM posts r")  # noqa: S608 - a name of the schema

    assert sent <= row["size"] <= 2 * sent + 200


async def test_a_row_that_was_written_behind_the_api_is_a_record(stage: Stage) -> None:
    """What its columns miss is null."""
    stage.sql(
        "INSERT INTO posts (organization_id, id, title, created_at, updated_at) "
        "VALUES (?1, 'raw', 'x', 'then', 'then')",
        ACME,
    )

    record = await stage.get(posts, "raw")
    assert record.json["tags"] is None
    assert record.json["isPublic"] is False
    # On a change the record's default stands in for what may not be null.
    assert (await stage.update(posts, "raw", title="y")).json["tags"] == []
