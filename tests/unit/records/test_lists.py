"""Lists: each record once and in order, with filters, ties, nulls and other writers."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognate.errors import InvalidInput
from cognate.records import Create, Delete
from cognate.records.query import SORTED_CHARACTERS
from cognate.schema import Cognate, Record, Table
from tests.stage.records import BOB, claims, posts
from tests.stage.records import RecordsStage as Stage

TITLES = st.sampled_from(["", "a", "B", "b", "\u00e9", "\U0001f600", "z" * 300, "z" * 300 + "a"])
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "title": TITLES,
            "year": st.none() | st.integers(-2, 2),
            "value": st.none() | st.sampled_from([-0.5, 0.1, 0.30000000000000004, 1e300]),
            "isPublic": st.booleans(),
        }
    ),
    max_size=15,
)
SORTS = st.sampled_from(["id", "title", "year", "value", "isPublic", "createdAt", "slug"])


async def pages(stage: Stage, limit: int, **query: Any) -> list[str]:
    """The ids on all pages of a list."""
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await stage.page(posts, limit=str(limit), **query, **cursor)
        found += [record["id"] for record in page.items]
        if page.next_cursor is None:
            assert not page.has_more
            return found
        assert len(page.items) == limit
        cursor = {"cursor": page.next_cursor}


def place(record: dict[str, Any], field: str) -> tuple[Any, str]:
    """The sort key of a record that has a value."""
    value = record[field]
    return value[:SORTED_CHARACTERS] if isinstance(value, str) else value, record["id"]


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, sort=SORTS, descending=st.booleans(), limit=st.integers(1, 5))
async def test_pages_have_every_record_once_and_in_order(
    records: list[dict[str, Any]],
    sort: str,
    descending: bool,  # noqa: FBT001 - drawn by hypothesis
    limit: int,
) -> None:
    """Nulls come last and ties are sorted by id, in the direction of the list."""
    stage = Stage()
    await stage.write(posts, *(Create(record, f"p{n:02}") for n, record in enumerate(records)))
    await stage.write(posts, Create({"title": "theirs"}, "p00"), by=BOB)
    there = [dict(item) for item in (await stage.page(posts, limit="100")).items]
    valued = [item for item in there if item[sort] is not None]
    empty = [item for item in there if item[sort] is None]
    expected = [
        *sorted(valued, key=lambda item: place(item, sort), reverse=descending),
        *sorted(empty, key=lambda item: item["id"], reverse=descending),
    ]

    found = await pages(stage, limit, sort=f"{'-' * descending}{sort}")

    assert found == [item["id"] for item in expected]
    assert len(found) == len(records)


async def test_pages_are_stable_while_others_write(stage: Stage) -> None:
    """Other inserts and deletes neither repeat nor hide a record."""
    await stage.write(posts, *(Create({"title": "x", "year": n // 3}, f"p{n}0") for n in range(9)))
    first = await stage.page(posts, sort="year", limit="4")
    assert [record["id"] for record in first.items] == ["p00", "p10", "p20", "p30"]
    assert first.next_cursor is not None
    await stage.write(posts, Create({"title": "x", "year": 0}, "p05"), Delete("p30"), Delete("p40"))
    await stage.write(posts, Create({"title": "x", "year": 1}, "p45"))

    rest = await stage.ids(posts, sort="year", cursor=first.next_cursor)

    assert rest == ["p45", "p50", "p60", "p70", "p80"]


async def test_a_page_may_be_of_another_size_than_the_one_before(stage: Stage) -> None:
    """A cursor holds a place and no page size."""
    await stage.write(posts, *(Create({"title": "x"}, f"p{n}") for n in range(5)))
    cursor = (await stage.page(posts, limit="2")).next_cursor or ""

    assert await stage.ids(posts, cursor=cursor, limit="100") == ["p2", "p3", "p4"]


@pytest.mark.parametrize(
    "other", [{"sort": "-title"}, {"sort": "year"}, {"sort": "title", "year": "1"}, {}]
)
async def test_a_cursor_is_for_its_own_list(stage: Stage, other: dict[str, Any]) -> None:
    """A cursor is refused with another order, filter or table."""
    await stage.write(posts, *(Create({"title": "x"}, f"p{n}") for n in range(3)))
    cursor = (await stage.page(posts, limit="1", sort="title")).next_cursor or ""

    assert await stage.ids(posts, sort="title", cursor=cursor) == ["p1", "p2"]
    with pytest.raises(InvalidInput, match="not a cursor of this list"):
        await stage.page(posts, cursor=cursor, **other)
    with pytest.raises(InvalidInput, match="not a cursor of this list"):
        await stage.page(claims, cursor=cursor)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"year": "2024"}, ["p1"]),
        ({"year__ne": "2024"}, ["p2"]),
        ({"year": "null"}, ["p3"]),
        ({"year__ne": "null"}, ["p1", "p2"]),
        ({"year__gt": "2024"}, ["p2"]),
        ({"year__gte": "2024", "year__lte": "2024.5"}, ["p1"]),
        ({"year__lt": "2025"}, ["p1"]),
        ({"year__in": "2024,2025,2026"}, ["p1", "p2"]),
        ({"title": "Ferry"}, ["p1"]),
        ({"title": "ferry"}, []),
        ({"title__like": "f%"}, ["p1", "p3"]),
        ({"title__like": "%rr_"}, ["p1"]),
        ({"title__in": "Ferry,Storm"}, ["p1", "p2"]),
        ({"value": "0.1"}, ["p1"]),
        ({"value__lt": "0"}, ["p2"]),
        ({"isPublic": "true"}, ["p3"]),
        ({"isPublic__ne": "true"}, ["p1", "p2"]),
        ({"id__gt": "p1"}, ["p2", "p3"]),
        ({"id__in": "p1,p3,p9"}, ["p1", "p3"]),
        ({"createdBy": "ada"}, ["p1", "p2", "p3"]),
        ({"createdAt__gt": "2026-11-20T12:00:00Z"}, []),
        ({"createdAt__gte": "2026-11-20T13:00:00+01:00"}, ["p1", "p2", "p3"]),
        ({"publishedAt__lt": "2026-02-01"}, ["p1"]),
        ({"publishedAt": "2026-01-31T01:00:00+01:00"}, ["p1"]),
        ({"title": "' OR 1=1 --"}, []),
    ],
)
async def test_filters_narrow_a_list(
    stage: Stage, query: dict[str, Any], expected: list[str]
) -> None:
    """Filters also narrow the total, and only `null` matches a missing value."""
    await stage.write(
        posts,
        Create(
            {"title": "Ferry", "year": 2024, "value": 0.1, "publishedAt": "2026-01-31T00:00:00Z"},
            "p1",
        ),
        Create({"title": "Storm", "year": 2025, "value": -1.5}, "p2"),
        Create({"title": "free", "isPublic": True}, "p3"),
        Create({"title": "Ferry", "year": 2024}, "gone"),
    )
    await stage.write(posts, Create({"title": "Ferry", "year": 2024}, "p1"), by=BOB)
    await stage.write(posts, Delete("gone"))

    page = await stage.page(posts, total="true", **query)

    assert [record["id"] for record in page.items] == expected
    assert page.total == len(expected)


TIMES: Final = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000001Z",
    "2026-01-01T01:30:00+01:00",
    "2025-12-31T23:00:00-01:30",
    "2026-01-01T12:00:00",
    "2026-01-01T13:00:00.25+00:30",
    "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59.999999Z",
)
"""Datetimes in the order of time, which is not the order of their texts."""


@pytest.mark.parametrize("descending", [False, True])
async def test_datetimes_are_sorted_and_compared_as_times(*, descending: bool) -> None:
    """The offset with which a time was written makes no difference."""
    stage = Stage()
    moments = {f"p{place}": as_utc(text) for place, text in enumerate(TIMES)}
    await stage.write(
        posts,
        *(Create({"title": "x", "publishedAt": text}, f"p{n}") for n, text in enumerate(TIMES)),
    )
    expected = sorted(moments, key=lambda item: (moments[item], item), reverse=descending)

    assert expected == await pages(stage, 3, sort=f"{'-' * descending}publishedAt")
    for text in TIMES:
        later = {record_id for record_id, moment in moments.items() if moment > as_utc(text)}
        assert later == set(await stage.ids(posts, publishedAt__gt=text))
        same = {record_id for record_id, moment in moments.items() if moment == as_utc(text)}
        assert same == set(await stage.ids(posts, publishedAt=text))


def as_utc(text: str) -> datetime:
    """The moment of a text, in UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Priced(Record):
    """Fields whose text has no order."""

    text: Decimal | None = None
    author: time | None = None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "1.5"}, ["n1", "n2"]),
        ({"text": "1.500"}, ["n1", "n2"]),
        ({"text": "150e-2"}, ["n1", "n2"]),
        ({"text": "100"}, ["n3", "n4"]),
        ({"text": "1e2"}, ["n3", "n4"]),
        ({"text": "0"}, ["n5"]),
        ({"text__ne": "1.5"}, ["n3", "n4", "n5"]),
        ({"text__in": "100,1.5"}, ["n1", "n2", "n3", "n4"]),
        ({"text": "null"}, ["n6"]),
        ({"author": "09:30"}, ["n1"]),
        ({"author": "09:30:00+00:00"}, ["n2"]),
        ({"author__ne": "null"}, ["n1", "n2"]),
    ],
)
async def test_decimal_numbers_and_times_of_day_are_found_by_their_value(
    query: dict[str, Any], expected: list[str]
) -> None:
    """Equal values are found however they were written."""
    priced = Table("notes", Priced)
    stage = Stage(Cognate(tables=[priced]))
    values = ["1.50", 1.5, "1E+2", "100.0", "-0.00", None]
    times = ["09:30", "09:30:00Z", None, None, None, None]
    for number, (value, moment) in enumerate(zip(values, times, strict=True), start=1):
        await stage.create(priced, f"n{number}", text=value, author=moment)

    assert expected == await stage.ids(priced, **query)


@pytest.mark.parametrize(
    ("query", "pointer", "message"),
    [
        ({"sort": "text"}, "?sort", "cannot be text: a decimal number is kept exactly, as text"),
        ({"sort": "-author"}, "?sort", "cannot be author: times of day with different offsets"),
        ({"text__gt": "1"}, "?text.gt", "asks for an order: a decimal number is kept exactly"),
        ({"text__lte": "1"}, "?text.lte", "asks for an order"),
        ({"author__lt": "10:00"}, "?author.lt", "asks for an order: times of day"),
        ({"sort": "nothing"}, "?sort", "must be one of id, createdAt, updatedAt, with a -"),
        ({"text": "much"}, "?text", "must be a decimal number"),
        ({"text": "1e1000"}, "?text", "at most 100 characters"),
        ({"author": "noon"}, "?author", "must be a time of day"),
    ],
)
async def test_an_order_that_text_does_not_have_is_refused(
    query: dict[str, Any], pointer: str, message: str
) -> None:
    """The message says what to do instead."""
    priced = Table("notes", Priced)
    with pytest.raises(InvalidInput) as caught:
        await Stage(Cognate(tables=[priced])).page(priced, **query)

    [error] = caught.value.fields
    assert (pointer, True) == (error.pointer, message in error.message)
