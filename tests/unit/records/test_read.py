"""Reading one record, and one page of a list."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognate.errors import DatabaseError, NotFound
from cognate.records import Create
from cognate.records.table_sql import MAX_PAGE_BYTES
from tests.stage.records import BOB, claims, notes, posts
from tests.stage.records import RecordsStage as Stage


async def test_a_page_says_how_far_it_goes(stage: Stage) -> None:
    """The total counts all pages and is only counted on request."""
    await stage.write(claims, *(Create({"content": "x"}, f"c{n}") for n in range(3)))

    first = await stage.page(claims, limit="2", total="true")
    assert (len(first.items), first.limit, first.has_more, first.total) == (2, 2, True, 3)
    last = await stage.page(claims, limit="2", total="true", cursor=first.next_cursor or "")
    assert (len(last.items), last.has_more, last.total) == (1, False, 3)
    whole = await stage.page(claims, limit="3")
    assert (whole.next_cursor, whole.total) == (None, None)


async def test_a_list_and_a_record_by_its_id_are_the_same(stage: Stage) -> None:
    """Both are the created record, and each takes one D1 call."""
    created = await stage.create(posts, title="x", tags=["a"], isPublic=True, value=0.1)
    stage.database.batches.clear()

    assert await stage.get(posts, created.json["id"]) == created
    assert (await stage.page(posts, total="true")).items == [created.json]
    assert len(stage.database.batches) == 2


async def test_a_list_reads_each_field_once(stage: Stage) -> None:
    """A list does not read versions, which only an ETag needs."""
    await stage.create(posts, title="x")
    stage.database.batches.clear()

    await stage.page(posts, sort="title")

    [[sql]] = stage.database.batches
    fields, _ = sql.split(" FROM (", 1)
    assert "quote(" not in sql
    assert [1] * len(posts.fields) == [fields.count(f'r."{field}"') for field in posts.fields]


@pytest.mark.parametrize("sort", ["id", "-id", "text", "-createdAt"])
async def test_a_page_is_bounded_in_bytes(stage: Stage, sort: str) -> None:
    """A page of large records ends early, and each record is on one page."""
    for number in range(10):
        await stage.create(notes, f"n{number}", text=f"{number}{'x' * 390_000}")
    await stage.create(notes, "small", text="x")
    found: list[str] = []
    cursor: dict[str, Any] = {}
    sizes = []
    while True:
        page = await stage.page(notes, limit="100", sort=sort, **cursor)
        found += [record["id"] for record in page.items]
        sizes.append(len(json.dumps(page.items)))
        assert 100 == page.limit
        if page.next_cursor is None:
            break
        cursor = {"cursor": page.next_cursor}

    expected = [*(f"n{number}" for number in range(10)), "small"]
    assert sorted(expected) == sorted(found)
    assert found == (await stage.ids(notes, limit="100", sort=sort))[:3] + found[3:]
    # The last record of a page may exceed the limit.
    assert max(sizes) < MAX_PAGE_BYTES + 401_000
    assert min(sizes[:-1]) > MAX_PAGE_BYTES


async def test_a_page_has_one_record_at_least(stage: Stage) -> None:
    """A record that is larger than a page is a page of its own."""
    for record_id in ("n1", "n2"):
        await stage.create(notes, record_id, text="x")
    stage.sql("UPDATE notes SET text = printf('%.*c', 1500000, 'y')")

    first = await stage.page(notes, limit="100")
    assert (["n1"], True) == ([record["id"] for record in first.items], first.has_more)
    last = await stage.page(notes, limit="100", cursor=first.next_cursor or "")
    assert (["n2"], False) == ([record["id"] for record in last.items], last.has_more)


async def test_a_page_of_small_records_is_as_long_as_was_asked_for(stage: Stage) -> None:
    """A hundred small records fit into one page."""
    await stage.write(notes, *(Create({"text": "\u6f22" * 3000}, f"n{n:03}") for n in range(100)))

    page = await stage.page(notes, limit="100")
    assert (100, None) == (len(page.items), page.next_cursor)


async def test_an_empty_list_is_a_page(stage: Stage) -> None:
    """Records of another organization are not on it."""
    await stage.create(claims, "c1", by=BOB, content="theirs")

    page = await stage.page(claims, total="true")
    assert (page.items, page.next_cursor, page.total) == ([], None, 0)
    with pytest.raises(NotFound):
        await stage.get(claims, "c1")


@pytest.mark.parametrize("record_id", ["", "nothing", "a b", "\u00e9" * 300, "x\x00y", "%"])
async def test_any_id_may_be_asked_for(stage: Stage, record_id: str) -> None:
    """An id that cannot exist is answered as not found."""
    with pytest.raises(NotFound):
        await stage.get(claims, record_id)


async def test_an_outage_is_an_error(stage: Stage) -> None:
    """A failure of D1 is not an empty list."""
    stage.database.fails = {0, 1}

    with pytest.raises(DatabaseError):
        await stage.page(claims)
    with pytest.raises(DatabaseError):
        await stage.get(claims, "c1")
