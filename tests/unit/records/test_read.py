"""Reading one record, and a page of them."""

from __future__ import annotations

import pytest

from cognate.errors import DatabaseError, NotFound
from cognate.records import Create
from tests.unit.records.stage import BOB, Stage, claims, posts


def test_a_page_says_how_far_it_goes(stage: Stage) -> None:
    """The total is counted only when it is asked for, over all pages."""
    stage.write(claims, *(Create({"content": "x"}, f"c{n}") for n in range(3)))

    first = stage.page(claims, limit="2", total="true")
    assert (len(first.items), first.limit, first.has_more, first.total) == (2, 2, True, 3)
    last = stage.page(claims, limit="2", total="true", cursor=first.next_cursor or "")
    assert (len(last.items), last.has_more, last.total) == (1, False, 3)
    whole = stage.page(claims, limit="3")
    assert (whole.next_cursor, whole.total) == (None, None)


def test_a_list_and_a_record_by_its_id_are_the_same(stage: Stage) -> None:
    """With the same ETag, each in one call of D1."""
    created = stage.create(posts, title="x", tags=["a"], isPublic=True, value=0.1)
    stage.database.batches.clear()

    assert stage.get(posts, created.json["id"]) == created
    assert stage.page(posts, total="true").items == [created]
    assert len(stage.database.batches) == 2


def test_an_empty_list_is_a_page(stage: Stage) -> None:
    """And another organization's records are not on it."""
    stage.create(claims, "c1", by=BOB, content="theirs")

    page = stage.page(claims, total="true")
    assert (page.items, page.next_cursor, page.total) == ([], None, 0)
    with pytest.raises(NotFound):
        stage.get(claims, "c1")


@pytest.mark.parametrize("record_id", ["", "nothing", "a b", "\u00e9" * 300, "x\x00y", "%"])
def test_any_id_may_be_asked_for(stage: Stage, record_id: str) -> None:
    """None of these can have been made; asking is no error of its own."""
    with pytest.raises(NotFound):
        stage.get(claims, record_id)


def test_an_outage_is_an_error(stage: Stage) -> None:
    """Not an empty list."""
    stage.database.fails = {0, 1}

    with pytest.raises(DatabaseError):
        stage.page(claims)
    with pytest.raises(DatabaseError):
        stage.get(claims, "c1")
