"""Checks before a write: ids, guards, rules of the record, and the order of refusals."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated

import pytest
from pydantic import Field

from cognate.errors import FieldNotWritable, InvalidInput
from cognate.records import Create, Delete, Precondition, StoredRecord, Update
from cognate.schema import Cognate, Embeddings, Record, Table
from tests.stage.records import Note, claims, notes, person, posts
from tests.stage.records import RecordsStage as Stage


@pytest.mark.parametrize("record_id", ["a", "0", "A.b_c~d:e-f", "claim_1", "x" * 128, "Batch"])
async def test_callers_choose_ids_that_are_safe_in_a_path(stage: Stage, record_id: str) -> None:
    """An id may have up to 128 safe characters."""
    assert (await stage.create(claims, record_id, content="x")).json["id"] == record_id


@pytest.mark.parametrize(
    "record_id",
    ["", "x" * 129, "a b", "a/b", "\u00e9", "-a", ".", "..", "_a", "a\n", "a%", "batch"],
)
async def test_other_ids_are_refused(stage: Stage, record_id: str) -> None:
    """The message says what is allowed, and `batch` is a path of the API."""
    [outcome] = await stage.write(claims, Create({"content": "x"}, record_id))

    assert isinstance(outcome, InvalidInput)
    assert outcome.fields[0].pointer == "/id"
    assert "1 to 128" in outcome.fields[0].message


async def test_ids_of_the_server_sort_by_time_and_have_the_tables_prefix(stage: Stage) -> None:
    """Without a prefix of its own, a table uses its name."""
    found = []
    for _ in range(3):
        stage.local.clock.advance(1)
        found.append((await stage.create(posts, title="x")).json["id"])

    assert found == sorted(found)
    assert all(re.fullmatch(r"posts_[0-9a-z]{26}", record_id) for record_id in found)


@pytest.mark.parametrize(
    ("operation", "pointers"),
    [
        (Create({"title": "x", "score": 1}), ["/score"]),
        (Create({"title": "x", "createdBy": "eve"}), ["/createdBy"]),
        (Update("p1", {"score": 1, "publishedAt": None}), ["/publishedAt", "/score"]),
        (Update("p1", {"createdBy": "ada"}), ["/createdBy"]),
        (Update("p1", {"score": "no number", "nothing": 1}), ["/score"]),
    ],
)
async def test_guards_refuse_fields_that_callers_may_not_set(
    stage: Stage, operation: Create | Update, pointers: list[str]
) -> None:
    """All such fields are named, before any rule of the record is checked."""
    await stage.create(posts, "p1", title="x", publishedAt="2026-01-01T00:00:00Z")
    [outcome] = await stage.write(posts, operation, by=person("owner"))

    assert isinstance(outcome, FieldNotWritable)
    assert [field.pointer for field in outcome.fields] == pointers


async def test_what_guards_allow_on_create_only_is_set_then(stage: Stage) -> None:
    """The value stays when the record is updated."""
    created = await stage.create(posts, "p1", title="x", publishedAt="2026-01-01T00:00:00Z")
    changed = await stage.update(posts, "p1", title="y")

    assert created.json["publishedAt"] == changed.json["publishedAt"] == "2026-01-01T00:00:00Z"
    assert changed.json["score"] == 0


@pytest.mark.parametrize("field", ["id", "createdAt", "updatedAt", "organizationId", "embedding"])
async def test_what_the_server_writes_is_no_field(stage: Stage, field: str) -> None:
    """Columns of the server can be set neither on create nor on update."""
    await stage.create(claims, "c1", content="x")

    for operation in (Create({"content": "x", field: "x"}), Update("c1", {field: "x"})):
        [outcome] = await stage.write(claims, operation)
        assert isinstance(outcome, InvalidInput)
        assert [item.pointer for item in outcome.fields] == [f"/{field}"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": None}, "/title"),
        ({"isPublic": None}, "/isPublic"),
        ({"year": "2024"}, "/year"),
        ({"tags": ["a", 5]}, "/tags/1"),
        ({"nothing": None}, "/nothing"),
    ],
)
async def test_a_change_is_validated_with_all_of_the_record(
    stage: Stage, changes: dict[str, object], pointer: str
) -> None:
    """An update is validated as the whole record, and no value is converted."""
    before = await stage.create(posts, "p1", title="x")
    [outcome] = await stage.write(posts, Update("p1", changes))

    assert isinstance(outcome, InvalidInput)
    assert [field.pointer for field in outcome.fields] == [pointer]
    assert await stage.get(posts, "p1") == before


@pytest.mark.parametrize(
    ("fields", "pointer", "message"),
    [
        # It has fewer than 100,000 characters but more chunks than a row can hold.
        (
            {"content": "\ud55c\uad6d\uc5b4 " * 20_000},
            "/content",
            "at most 200 chunks of 512 tokens",
        ),
        ({"content": "0123456789abcdef" * 6000}, "/content", "at most 200 chunks of 512 tokens"),
        ({"content": "word " * 20_001}, "/content", "at most 100,000 characters"),
        ({"content": "x", "storyId": "s" * 10_240}, "/storyId", "at most 10,240 bytes of metadata"),
    ],
)
async def test_what_could_not_be_embedded_is_refused(
    stage: Stage, fields: dict[str, str], pointer: str, message: str
) -> None:
    """A text or metadata that is too large is refused on create and on update."""
    await stage.create(claims, "c1", content="x")

    for operation in (Create(fields), Update("c1", fields)):
        [outcome] = await stage.write(claims, operation)
        assert isinstance(outcome, InvalidInput)
        assert [pointer] == [item.pointer for item in outcome.fields]
        assert message in outcome.fields[0].message


async def test_what_just_fits_is_embedded(stage: Stage) -> None:
    """The longest English text and the largest metadata are accepted."""
    words = "a word of it ".ljust(100) * 1000
    scope = len('{"storyId":"","organizationId":"org_acme","table":"claims"}')
    await stage.create(claims, "c1", content=words, storyId="s" * (10_240 - scope))
    await stage.drain()

    assert [("c1", "insert", 1)] == stage.jobs("done")
    assert await stage.codes(claims, Update("c1", {"storyId": "s" * (10_241 - scope)})) == [
        "VALIDATION_FAILED"
    ]


async def test_a_refusal_of_joined_fields_names_them_all() -> None:
    """Fields that are embedded together can be too long together."""
    joined = Table("notes", Note, embeddings=Embeddings(fields=["text", "author"]))
    stage = Stage(Cognate(tables=[joined]))

    [outcome] = await stage.write(
        joined, Create({"text": "a b " * 15_000, "author": "c d " * 15_000})
    )

    assert isinstance(outcome, InvalidInput)
    [broken] = outcome.fields
    assert ("/text", True) == (broken.pointer, broken.message.startswith("with author must have"))


class Dated(Record):
    """Bounds of types that are not numbers."""

    text: Annotated[date, Field(ge=date(2026, 1, 1))]
    author: Annotated[timedelta, Field(gt=timedelta(hours=1))] = timedelta(hours=2)


async def test_a_value_beyond_a_date_refuses_its_record_alone() -> None:
    """The other record of the batch is written."""
    dated = Table("notes", Dated)
    stage = Stage(Cognate(tables=[dated]))

    bad, good = await stage.write(
        dated,
        Create({"text": "2025-12-31", "author": "PT1M"}),
        Create({"text": "2026-01-01", "author": "PT3H"}),
    )

    assert isinstance(bad, InvalidInput)
    assert [
        ("/text", "must be at least 2026-01-01"),
        ("/author", "must be greater than 1 hour"),
    ] == [(field.pointer, field.message) for field in bad.fields]
    assert isinstance(good, StoredRecord)


async def test_null_takes_a_value_away(stage: Stage) -> None:
    """An update with null removes the value if the record allows null."""
    await stage.create(posts, "p1", title="x", year=2024)

    assert (await stage.update(posts, "p1", year=None)).json["year"] is None


async def test_refusals_come_in_order(stage: Stage) -> None:
    """The order is: role, guards, existence, owner, precondition, rules of the record."""
    await stage.create(posts, "p1", by=person("editor", name="eve"), title="x")
    stale = Precondition.parse('"stale"')
    bad = {"title": 5, "score": 1}
    worse = {"title": 5}
    member = person("member")

    async def ask(operation: Update, *roles: str) -> str:
        return (await stage.codes(posts, operation, by=person(*roles or ("admin",))))[0]

    assert await ask(Update("p2", bad, stale), "viewer") == "ACCESS_DENIED"
    assert await ask(Update("p2", bad, stale)) == "FIELD_NOT_WRITABLE"
    assert await ask(Update("p2", worse, stale)) == "RECORD_NOT_FOUND"
    assert await stage.codes(posts, Update("p1", worse, stale), by=member) == ["ACCESS_DENIED"]
    assert await ask(Update("p1", worse, stale)) == "PRECONDITION_FAILED"
    assert await ask(Update("p1", worse)) == "VALIDATION_FAILED"


async def test_an_empty_record_is_one_where_every_field_has_a_default(stage: Stage) -> None:
    """The server sets the owner."""
    created = await stage.create(notes)

    assert (created.json["text"], created.json["author"]) == (None, "ada")
    assert await stage.codes(notes, Delete(created.json["id"])) == ["deleted"]
