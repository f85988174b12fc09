"""The jobs that changes of records queue, and those that they do not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cognate.records import Create, Delete, Update, write_records
from cognate.schema import Cognate, Embeddings, Table
from tests.demonstration import Claim
from tests.stage.records import ADA, BOB, claims, notes, posts
from tests.stage.records import RecordsStage as Stage

if TYPE_CHECKING:
    from cognate.records import Change


def schema(**options: Any) -> Cognate:
    """A schema of claims with these embedding options."""
    embeddings = Embeddings(fields=["content"], metadata=["story_id"], **options)
    return Cognate(tables=[Table("claims", Claim, embeddings=embeddings)])


async def test_a_new_record_is_embedded(stage: Stage) -> None:
    """Its job is written with the record and announced afterwards."""
    await stage.create(claims, "c1", content="The ferry sank")

    assert stage.jobs("queued") == [("c1", "insert", 1)]
    assert len(stage.local.queue.waiting) == 1
    await stage.drain()
    assert stage.jobs("done") == [("c1", "insert", 1)]
    assert stage.vector_count() == 1


async def test_a_record_is_not_embedded_when_it_is_created_where_the_table_says_so() -> None:
    """With `on_insert=False`, the first change of a watched field embeds the record."""
    stage = Stage(schema(on_insert=False), "")
    table = stage.app.table("claims")
    await stage.create(table, "c1", content="x")
    assert stage.jobs() == []
    await stage.update(table, "c1", storyId="s1")
    await stage.drain()
    assert stage.vector_count(table) == 0
    assert stage.local.bindings.counts.calls["AI.run"] == 0

    await stage.update(table, "c1", content="y")
    await stage.drain()
    assert stage.vector_count(table) == 1


@pytest.mark.parametrize(
    ("on_update", "changes", "embeds"),
    [
        (True, {"content": "y"}, [1]),
        (True, {"storyId": "s2"}, [0]),
        (True, {"content": "y", "storyId": "s2"}, [1]),
        (False, {"content": "y"}, []),
        (False, {"storyId": "s2"}, [0]),
        (["story_id"], {"content": "y"}, []),
        (["story_id"], {"storyId": "s2"}, [1]),
        (["content"], {"content": "y"}, [1]),
        (True, {"content": "x"}, []),
        (True, {}, []),
    ],
)
async def test_a_change_is_embedded_if_a_watched_field_has_another_value(
    on_update: Any,
    changes: dict[str, Any],
    embeds: list[int],
) -> None:
    """A change of metadata calls no model, and an unchanged value queues no job."""
    stage = Stage(schema(on_update=on_update), "")
    table = stage.app.table("claims")
    await stage.create(table, "c1", content="x", storyId="s1")
    await stage.drain()
    runs = stage.local.bindings.counts.calls["AI.run"]

    await stage.update(table, "c1", **changes)

    assert [found for _, _, found in stage.jobs("queued")] == embeds
    await stage.drain()
    again = stage.local.bindings.counts.calls["AI.run"] - runs
    assert again == sum(embeds and [int("content" in changes)])


async def test_a_change_of_metadata_reaches_the_index_without_the_model(stage: Stage) -> None:
    """The vector stays and its metadata changes."""
    await stage.create(claims, "c1", content="x", storyId="s1")
    await stage.drain()
    runs = stage.local.bindings.counts.calls["AI.run"]
    await stage.update(claims, "c1", storyId="s2")
    await stage.drain()

    [entry] = stage.local.bindings.indexes["VECTORIZE"].entries()
    assert (entry.metadata or {})["storyId"] == "s2"
    assert stage.local.bindings.counts.calls["AI.run"] == runs


async def test_a_deleted_record_loses_its_vectors(stage: Stage) -> None:
    """Both kinds of deletion queue a job, unless the record never had vectors."""
    cases: list[tuple[Table, dict[str, Any]]] = [
        (claims, {"content": "x"}),
        (posts, {"title": "x"}),
    ]
    for table, fields in cases:
        await stage.create(table, "r1", **fields)
        await stage.drain()
        await stage.codes(table, Delete("r1"))
        assert stage.jobs("queued") == [("r1", "delete", 1)]
        await stage.drain()
        assert stage.vector_count(table) == 0
    stage.sql("INSERT INTO claims (organization_id, id, content) VALUES ('org_acme', 'raw', 'x')")
    assert await stage.codes(claims, Delete("raw")) == ["deleted"]
    assert stage.jobs("queued") == []


async def test_what_was_refused_queues_nothing(stage: Stage) -> None:
    """A refused change queues nothing, nor does one of another organization's record."""
    await stage.create(claims, "c1", by=BOB, content="x")
    await stage.create(posts, "p1", title="x", slug="taken")
    await stage.drain()
    before = stage.jobs()
    stage.local.clock.advance(1)

    assert (
        await stage.codes(claims, Update("c1", {"content": "y"}), Delete("c2"))
        == ["RECORD_NOT_FOUND"] * 2
    )
    assert await stage.codes(
        posts, Create({"title": "y", "slug": "taken"}), Create({"title": "y"}, "p1")
    ) == ["CONFLICT", "RECORD_EXISTS"]
    assert stage.jobs() == before
    assert stage.local.queue.waiting == []


async def test_a_delete_that_lost_to_a_change_removes_no_vectors(stage: Stage) -> None:
    """The record still exists, and the change embeds it."""
    await stage.create(claims, "c1", content="x")
    await stage.drain()
    stage.local.clock.advance(1)
    await asyncio.gather(
        write_records(stage.platform, ADA, claims, [Update("c1", {"content": "y"})]),
        write_records(stage.platform, ADA, claims, [Create({"content": "z"}, "c2")]),
    )
    await stage.drain()
    assert stage.vector_count() == 2


async def test_a_batch_is_one_send(stage: Stage) -> None:
    """The jobs of a batch say that they came by a batch."""
    await stage.create(claims, "c1", content="x")
    await stage.drain()
    operations: list[Change] = [Create({"content": "x"}) for _ in range(99)]
    operations.append(Update("c1", {"content": "y"}))
    await stage.codes(claims, *operations)

    assert {source for _, source, _ in stage.jobs("queued")} == {"batch"}
    assert len(stage.local.queue.waiting) == 100


async def test_a_table_without_embeddings_queues_nothing(stage: Stage) -> None:
    """A table without embeddings has no jobs."""
    await stage.create(notes, "n1", text="x")
    await stage.codes(notes, Delete("n1"))

    assert stage.jobs() == []


async def test_a_deleted_record_that_comes_back_is_embedded(stage: Stage) -> None:
    """A record under an old id is embedded before or after the old vectors are removed."""
    for drains in (True, False):
        await stage.create(claims, "c1", content="x")
        await stage.drain()
        await stage.codes(claims, Delete("c1"))
        if drains:
            await stage.drain()
        await stage.create(claims, "c1", content="another")
        await stage.drain()
        assert stage.vector_count() == 1
        await stage.codes(claims, Delete("c1"))
        await stage.drain()
        assert stage.vector_count() == 0
