"""Writing records: each change succeeds or fails alone and never overwrites another's."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import create_model

from cognate.errors import Conflict, DatabaseError, InvalidInput, NotFound, QueueError
from cognate.records import Create, Delete, Precondition, StoredRecord, Update, write_records
from cognate.records.table_sql import MAX_READ_BYTES
from cognate.records.write import MAX_CHANGES, MAX_TRIES
from cognate.schema import Cognate, Embeddings, Record, Table
from tests.stage.platform import ACME, GLOBEX
from tests.stage.records import ADA, BOB, MANY_FIELDS, SCHEMA, claims, code, notes, person, posts
from tests.stage.records import (
    RecordsStage as Stage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row, Statement
    from cognate.records import Change


async def test_a_record_is_created_read_changed_and_deleted(stage: Stage) -> None:
    """Each answer is the current record with its ETag."""
    created = await stage.create(claims, content="The ferry sank", storyId="s1")
    record_id = created.json["id"]
    stage.local.clock.advance(1)
    changed = await stage.update(claims, record_id, storyId="s2")

    assert record_id.startswith("claim_")
    assert created.json == {
        "id": record_id,
        "content": "The ferry sank",
        "storyId": "s1",
        "createdAt": "2026-11-20T12:00:00.000Z",
        "updatedAt": "2026-11-20T12:00:00.000Z",
    }
    assert changed.json == {
        **created.json,
        "storyId": "s2",
        "updatedAt": "2026-11-20T12:00:01.000Z",
    }
    assert await stage.get(claims, record_id) == changed
    assert changed.etag != created.etag
    assert await stage.codes(claims, Delete(record_id)) == ["deleted"]
    with pytest.raises(NotFound):
        await stage.get(claims, record_id)


async def test_equal_ids_of_two_organizations_are_two_records(stage: Stage) -> None:
    """A change in one organization leaves the other's record as it is."""
    cases: list[tuple[Table, dict[str, Any]]] = [
        (claims, {"content": "x"}),
        (posts, {"title": "x"}),
        (notes, {}),
    ]
    for table, fields in cases:
        await stage.create(table, "same", **fields)
        theirs = await stage.create(table, "same", by=BOB, **fields)
        await stage.codes(table, Delete("same"))

        assert await stage.get(table, "same", by=BOB) == theirs
        assert (
            await stage.codes(table, Update("same", {}), Delete("other"), by=ADA)
            == ["RECORD_NOT_FOUND"] * 2
        )


async def test_what_belongs_to_another_organization_never_was(stage: Stage) -> None:
    """A record of another organization is answered like one that never existed."""
    await stage.create(claims, "theirs", by=BOB, content="secret")
    operations = [
        [operation(record_id) for operation in (lambda i: Update(i, {"content": "x"}), Delete)]
        for record_id in ("theirs", "nobodys")
    ]

    answers = [[str(outcome) for outcome in await _each(stage, pair)] for pair in operations]

    assert answers[0] == answers[1]
    assert (await stage.get(claims, "theirs", by=BOB)).json["content"] == "secret"
    assert await stage.codes(claims, Create({"content": "mine"}, "theirs")) == ["record"]


async def _each(stage: Stage, operations: list[Update | Delete]) -> list[object]:
    return [(await stage.write(claims, operation))[0] for operation in operations]


async def test_any_number_of_operations_costs_two_calls_of_d1_and_one_of_the_queue(
    stage: Stage,
) -> None:
    """A batch takes one read, one write and one send, each of constant length."""
    operations = [Create({"content": f"text {n}"}, f"c{n}") for n in range(MAX_CHANGES)]
    assert await stage.codes(claims, *operations) == ["record"] * MAX_CHANGES
    one_hundred = [len(statements) for statements in stage.database.batches]
    mixed: list[Change] = [
        *(Update(f"c{n}", {"content": f"other {n}"}) for n in range(40)),
        *(Delete(f"c{n}") for n in range(40, 80)),
        *(Create({"content": "x"}) for _ in range(20)),
    ]
    stage.database.batches.clear()
    assert "RECORD_NOT_FOUND" not in await stage.codes(claims, *mixed)

    assert one_hundred == [1, 4]
    assert [len(statements) for statements in stage.database.batches] == [1, 8]
    assert len(stage.local.queue.waiting) == MAX_CHANGES + 20


async def test_creates_without_ids_need_no_read(stage: Stage) -> None:
    """A new record without an id of the caller takes only the write."""
    await stage.create(claims, content="x")

    assert len(stage.database.batches) == 1


async def test_each_operation_is_judged_for_itself(stage: Stage) -> None:
    """A refused change leaves the others alone."""
    await stage.create(claims, "c1", content="x")
    await stage.create(claims, "c2", content="x")

    assert await stage.codes(
        claims,
        Create({"content": "x"}, "c1"),
        Create({"content": 5}, "c3"),
        Create({"content": "x"}, "c4"),
        Update("c2", {"nothing": "x"}),
        Update("missing", {"content": "x"}),
        Delete("c2", Precondition.parse('"other"')),
        Delete("missing"),
    ) == [
        "RECORD_EXISTS",
        "VALIDATION_FAILED",
        "record",
        "VALIDATION_FAILED",
        "RECORD_NOT_FOUND",
        "VALIDATION_FAILED",  # named twice, whatever else there is to say of it
        "VALIDATION_FAILED",
    ]


async def test_a_record_is_named_once_in_a_batch(stage: Stage) -> None:
    """The second change of a record is refused."""
    _, second = await stage.write(claims, Create({"content": "x"}, "c1"), Delete("c1"))

    assert isinstance(second, InvalidInput)
    assert second.fields[0].pointer == "/id"
    assert await stage.ids(claims) == ["c1"]


async def test_with_fail_fast_nothing_behind_the_first_refusal_is_done(stage: Stage) -> None:
    """The changes before the refusal are made."""
    operations: list[Change] = [
        Create({"content": "x"}, "c1"),
        Delete("missing"),
        Create({"content": "x"}, "c2"),
        Create({"content": 5}, "c3"),
    ]

    assert await stage.codes(claims, *operations, fail_fast=True) == [
        "record",
        "RECORD_NOT_FOUND",
        "NOT_ATTEMPTED",
        "NOT_ATTEMPTED",
    ]
    assert await stage.ids(claims) == ["c1"]
    assert await stage.codes(claims, *operations) == [
        "RECORD_EXISTS",
        "RECORD_NOT_FOUND",
        "record",
        "VALIDATION_FAILED",
    ]


async def test_what_is_found_while_writing_stops_nothing_and_hides_nothing(stage: Stage) -> None:
    """An id that is taken between the read and the write refuses one change only."""

    def take(number: int) -> None:
        if number == 1:
            stage.sql(
                "INSERT INTO claims (organization_id, id, content) VALUES (?1, 'c1', '')", ACME
            )

    stage.database.before = take
    operations = [Create({"content": "x"}, "c1"), Create({"content": "x"}, "c2")]

    assert await stage.codes(claims, *operations, fail_fast=True) == ["RECORD_EXISTS", "record"]


async def test_a_change_meanwhile_is_kept(stage: Stage) -> None:
    """An update keeps what another writer changed between its read and its write."""
    await stage.create(claims, "c1", content="old", storyId="s1")

    def meanwhile(number: int) -> None:
        if number == 1:
            stage.sql("UPDATE claims SET content = 'theirs' WHERE id = 'c1'")

    stage.database.batches.clear()
    stage.database.before = meanwhile
    changed = await stage.update(claims, "c1", storyId="s2")

    assert (changed.json["content"], changed.json["storyId"]) == ("theirs", "s2")
    assert len(stage.database.batches) == 4


@pytest.mark.parametrize("operation", [Update("c1", {"content": "x"}), Delete("c1")])
async def test_who_loses_each_time_is_told(stage: Stage, operation: Update | Delete) -> None:
    """After five tries the change is refused and queues nothing."""
    await stage.create(claims, "c1", content="old")
    await stage.drain()
    stage.local.clock.advance(1)
    stage.database.batches.clear()
    stage.database.before = lambda number: (
        stage.sql("UPDATE claims SET content = ?1", str(number)) and None
    )

    assert await stage.codes(claims, operation) == ["WRITE_CONTENDED"]
    assert len(stage.database.batches) == 2 * MAX_TRIES
    assert stage.jobs("queued") == []


@pytest.mark.parametrize("operation", ["update", "delete"])
async def test_a_stale_etag_is_refused(stage: Stage, operation: str) -> None:
    """The precondition holds before the write and in a race with it."""
    seen = Precondition.parse((await stage.create(claims, "c1", content="old")).etag)
    change = Update("c1", {"content": "x"}, seen) if operation == "update" else Delete("c1", seen)

    def meanwhile(number: int) -> None:
        if number == 1:
            stage.sql("UPDATE claims SET content = 'theirs'")

    stage.database.batches.clear()
    stage.database.before = meanwhile
    assert await stage.codes(claims, change) == ["PRECONDITION_FAILED"]
    assert await stage.codes(claims, change) == ["PRECONDITION_FAILED"]
    assert (await stage.get(claims, "c1")).json["content"] == "theirs"
    fresh = Precondition.parse((await stage.get(claims, "c1")).etag)
    assert await stage.codes(claims, Update("c1", {"content": "x"}, fresh)) == ["record"]
    assert await stage.codes(claims, Delete("c1", Precondition.parse("*"))) == ["deleted"]


async def test_two_creations_at_once_are_one_record(stage: Stage) -> None:
    """One request creates the record and the other one finds it."""
    operation = [Create({"content": "x"}, "c1")]
    calls = [write_records(stage.platform, ADA, claims, operation) for _ in range(2)]
    assert sorted(code(outcome) for [outcome] in await asyncio.gather(*calls)) == [
        "RECORD_EXISTS",
        "record",
    ]


async def test_a_patch_that_changes_nothing_writes_nothing(stage: Stage) -> None:
    """The update time stays and nothing is queued, but the precondition is checked."""
    created = await stage.create(posts, "p1", title="x", tags=["a", "b"], value=1.0, isPublic=True)
    await stage.drain()
    stage.local.clock.advance(1)
    stage.database.batches.clear()
    changed = await stage.update(posts, "p1", title="x", tags=["a", "b"], value=1, isPublic=True)

    assert changed == created
    assert len(stage.database.batches) == 1
    assert await stage.codes(posts, Update("p1", {}, Precondition.parse('"x"'))) == [
        "PRECONDITION_FAILED"
    ]


async def test_a_value_that_must_be_unique_is_a_conflict(stage: Stage) -> None:
    """A row that breaks a constraint is refused and the others are written."""
    await stage.create(posts, "p1", title="x", slug="taken")
    await stage.create(posts, "p2", title="x")

    outcomes = await stage.write(
        posts,
        Create({"title": "x", "slug": "taken"}),
        Create({"title": "x", "slug": "taken"}, "p3"),
        Create({"title": "x", "slug": "free"}, "p4"),
        Update("p2", {"slug": "taken"}),
        Create({"title": "x", "year": 13}, "p5"),
        Create({"title": "x", "slug": "taken"}, "p1"),
    )

    assert [code(outcome) for outcome in outcomes] == [
        "CONFLICT",
        "CONFLICT",
        "record",
        "CONFLICT",
        "CONFLICT",
        "RECORD_EXISTS",
    ]
    assert isinstance(outcomes[0], Conflict)
    assert await stage.ids(posts) == ["p1", "p2", "p4"]


async def test_what_was_deleted_softly_is_gone_and_its_id_taken(stage: Stage) -> None:
    """The row stays, but no request finds it or reuses its id."""
    await stage.create(posts, "p1", title="x")
    assert await stage.codes(posts, Delete("p1")) == ["deleted"]

    assert await stage.codes(posts, Delete("p1")) == ["RECORD_NOT_FOUND"]
    assert await stage.codes(posts, Update("p1", {"title": "y"})) == ["RECORD_NOT_FOUND"]
    assert await stage.codes(posts, Create({"title": "y"}, "p1")) == ["RECORD_EXISTS"]
    assert await stage.ids(posts) == []
    assert (await stage.page(posts, total="true")).total == 0
    with pytest.raises(NotFound):
        await stage.get(posts, "p1")
    [row] = stage.sql("SELECT * FROM posts")
    assert row["deleted_at"] == row["updated_at"] == "2026-11-20T12:00:00.000Z"


async def test_the_server_says_who_owns_a_record(stage: Stage) -> None:
    """The owner is the caller who created the record."""
    created = await stage.create(posts, "p1", by=person("editor", name="eve"), title="x")

    assert created.json["createdBy"] == "eve"


@pytest.mark.parametrize("failing", [0, 1])
async def test_where_d1_fails_nothing_is_written(stage: Stage, failing: int) -> None:
    """Neither the record nor its job is written."""
    stage.database.fails = {failing}

    with pytest.raises(DatabaseError):
        await stage.write(claims, Create({"content": "x"}, "c1"))

    assert await stage.ids(claims) == []
    assert stage.jobs() == []


async def test_where_d1_fails_later_what_was_written_is_reported(stage: Stage) -> None:
    """If D1 fails on a second try, the changes of the first one are reported."""
    await stage.create(claims, "c1", content="old")

    def meanwhile(number: int) -> None:
        if number == 1:
            stage.sql("UPDATE claims SET content = 'theirs'")

    stage.database.batches.clear()
    stage.database.before = meanwhile
    stage.database.fails = {2}

    operations: list[Change] = [Update("c1", {"content": "x"}), Create({"content": "x"}, "c2")]
    assert await stage.codes(claims, *operations) == ["DATABASE_ERROR", "record"]


async def test_where_the_queue_fails_record_and_job_are_there(stage: Stage) -> None:
    """The caller sees no error."""
    stage.local.queue.outage = QueueError("out of reach")

    await stage.create(claims, "c1", content="x")

    assert await stage.ids(claims) == ["c1"]
    assert stage.jobs("queued") == [("c1", "insert", 1)]
    assert stage.local.queue.waiting == []


async def test_a_table_of_many_columns_is_written_too() -> None:
    """SQL limits an expression to 100 levels and a function to 32 arguments."""
    stage = Stage(*_wide())
    table = stage.app.table("wide")
    created = await stage.create(table, "w1", f0="x", f59="y")
    changed = await stage.update(table, "w1", f30="z")

    assert [changed.json[name] for name in ("f0", "f30", "f59")] == ["x", "z", "y"]
    assert changed.etag != created.etag
    assert await stage.codes(table, Delete("w1", Precondition.parse(changed.etag))) == ["deleted"]


def _wide() -> tuple[Cognate, str]:
    names = [f"f{number}" for number in range(MANY_FIELDS)]
    fields: dict[str, Any] = dict.fromkeys(names, (str | None, None))
    table = Table("wide", create_model("Wide", __base__=Record, **fields))
    columns = " TEXT, ".join(names)
    ddl = (
        f"CREATE TABLE wide (organization_id TEXT NOT NULL, id TEXT NOT NULL, {columns} TEXT, "
        "created_at TEXT, updated_at TEXT, PRIMARY KEY (organization_id, id))"
    )
    return Cognate(tables=[table]), ddl


async def test_records_of_the_largest_size_are_written_and_changed(stage: Stage) -> None:
    """The largest records can be changed, also those that JSON escapes most."""
    for text in ("x" * 390_000, '"' * 190_000, "\u00e9" * 190_000, "\x01" * 60_000):
        record_id = (await stage.create(notes, text=text)).json["id"]
        changed = await stage.update(notes, record_id, text=text[1:])
        assert changed.json["text"] == text[1:]
    with pytest.raises(AssertionError, match="at most 400,000 bytes"):
        await stage.create(notes, text="x" * 400_001)


async def test_a_text_that_sql_would_not_quote_well_stays_as_it_is(stage: Stage) -> None:
    """Any text is stored, compared and found unchanged."""
    text = "'); DROP TABLE claims; -- \" \\ \u2028 \U0001f600 \t\n $.content ?1"
    await stage.create(claims, "c1", content=text, storyId="")

    assert (await stage.get(claims, "c1")).json["content"] == text
    assert await stage.ids(claims, content=text) == ["c1"]
    assert await stage.ids(claims, storyId="") == ["c1"]
    changed = await stage.update(claims, "c1", storyId=text)
    assert isinstance(changed, StoredRecord)


async def test_the_organization_is_in_each_statement_over_records(stage: Stage) -> None:
    """Each statement binds the organization as a value."""
    await stage.codes(
        posts, Create({"title": "x"}, "p1"), Update("p2", {"title": "x"}), Delete("p3")
    )
    await stage.codes(posts, Update("p1", {"title": "y"}))
    await stage.codes(posts, Delete("p1"))
    await stage.page(posts, total="true")

    touching = [sql for batch in stage.database.batches for sql in batch if '"posts"' in sql]
    assert len(touching) > 8
    assert [sql for sql in touching if "organization_id" not in sql or "?1" not in sql] == []
    assert SCHEMA.table("posts") is posts
    assert GLOBEX not in str(touching)


GUARDED: Final = """
CREATE TABLE notes (
  organization_id TEXT NOT NULL, id TEXT NOT NULL, text TEXT, author TEXT,
  created_at TEXT NOT NULL, updated_at TEXT NOT NULL, embedding BLOB,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, author) REFERENCES notes (organization_id, id));
"""
RAISING: Final = """
CREATE TRIGGER notes_closed BEFORE {event} ON notes WHEN {row}.text LIKE '%closed%'
BEGIN SELECT RAISE(ABORT, 'no such table: it is closed'); END
"""


class Reply(Record):
    """A note that may answer another one, by a foreign key."""

    text: str
    author: str | None = None


replies = Table("notes", Reply, embeddings=Embeddings(fields=["text"]))


def _guarded(*triggers: tuple[str, str]) -> Stage:
    stage = Stage(Cognate(tables=[replies]), GUARDED)
    for event, row in triggers:
        stage.sql(RAISING.format(event=event, row=row))
    return stage


async def test_a_broken_reference_is_its_own_records_conflict() -> None:
    """The other records are written with their jobs, in a bounded number of calls."""
    stage = _guarded()
    operations = [Create({"text": f"note {number}"}, f"n{number}") for number in range(100)]
    operations[37] = Create({"text": "an answer", "author": "nobody"}, "n37")

    codes = await stage.codes(replies, *operations)

    # One read, one write, ten parts, and the ten changes of one part.
    assert 1 + 1 + 10 + 10 == len(stage.database.batches)
    assert ["record"] * 37 + ["CONFLICT"] + ["record"] * 62 == codes
    assert 99 == len(stage.jobs("queued")) == (await stage.page(replies, total="true")).total
    await stage.drain()
    assert 99 == stage.vector_count(replies)


async def test_a_broken_reference_stays_a_conflict() -> None:
    """A broken reference is a conflict each time and never an outage."""
    stage = _guarded()
    for _ in range(2):
        assert ["CONFLICT"] == await stage.codes(
            replies, Create({"text": "x", "author": "nobody"}, "n")
        )
    assert stage.jobs() == []
    await stage.create(replies, "n", text="x")
    assert ["CONFLICT"] == await stage.codes(replies, Update("n", {"author": "nobody"}))
    assert ["record"] == await stage.codes(replies, Update("n", {"author": "n"}))


async def test_a_trigger_that_raises_is_its_own_records_conflict() -> None:
    """A trigger that refuses one record does not stop the others."""
    stage = _guarded()
    for record_id, text in (("n1", "open"), ("n2", "closed"), ("n3", "closed"), ("n4", "open")):
        await stage.create(replies, record_id, text=text)
    for event, row in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
        stage.sql(RAISING.replace("notes_closed", f"closed_{event}").format(event=event, row=row))

    codes = await stage.codes(
        replies,
        Create({"text": "it is closed"}, "n5"),
        Update("n1", {"text": "changed"}),
        Update("n2", {"text": "changed"}),
        Delete("n3"),
        Delete("n4"),
        Create({"text": "fine"}, "n6"),
    )

    assert ["CONFLICT", "record", "CONFLICT", "CONFLICT", "deleted", "record"] == codes
    assert ["n1", "n2", "n3", "n6"] == await stage.ids(replies)


async def test_a_hundred_conflicts_are_bounded() -> None:
    """A hundred conflicts take fewer than the 1,000 statements that D1 allows."""
    stage = _guarded(("INSERT", "NEW"))
    operations = [Create({"text": f"closed {number}"}, f"n{number}") for number in range(100)]

    assert {"CONFLICT"} == set(await stage.codes(replies, *operations))
    assert 1 + 1 + 10 + 100 == len(stage.database.batches)
    assert sum(map(len, stage.database.batches)) < 1000
    assert ([], []) == (await stage.ids(replies), stage.jobs())


async def test_an_outage_among_the_parts_is_told_to_those_it_concerns() -> None:
    """Changes that were written before and after the outage are reported as written."""
    stage = _guarded(("INSERT", "NEW"))
    operations = [Create({"text": f"note {number}"}, f"n{number}") for number in range(20)]
    operations[0] = Create({"text": "closed"}, "n0")
    # Calls: the read, the write of all, the first two changes, each of these two, the next part.
    stage.database.fails = {5}

    codes = await stage.codes(replies, *operations)

    assert ["CONFLICT", "record", *["DATABASE_ERROR"] * 2, *["record"] * 16] == codes
    assert 17 == len(await stage.ids(replies))


async def test_a_batch_of_which_nothing_could_be_written_is_an_outage() -> None:
    """If nothing was written, the whole batch fails and can be sent again."""
    stage = _guarded()
    stage.database.fails = {1}
    with pytest.raises(DatabaseError):
        await stage.write(replies, Create({"text": "x"}, "n1"), Create({"text": "y"}, "n2"))


class MeasuredDatabase:
    """A database that measures its answers."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.answers: list[int] = []

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        found = await self.inner.batch(statements)
        self.answers.append(len(json.dumps(found)))
        return found


async def test_a_batch_of_large_records_is_done_in_parts(stage: Stage) -> None:
    """No answer of D1 is larger than an isolate can hold."""
    for number in range(25):
        await stage.create(notes, f"n{number}", text=f"{number}{'x' * 390_000}")
    measured = MeasuredDatabase(stage.local.database)
    stage.database.inner = measured
    changes = {"text": f"y{'z' * 390_000}"}
    operations: list[Change] = [Update(f"n{number}", changes) for number in range(25)]
    operations[3] = Delete("n3")
    operations[4] = Update("missing", changes)
    operations[20:20] = [Create({"text": "new"}, "n99")]

    codes = await stage.codes(notes, *operations)

    expected = ["record"] * 26
    expected[3:5] = ["deleted", "RECORD_NOT_FOUND"]
    assert expected == codes
    # Each record is read as its fields and its version, and is returned again when it is written.
    assert max(measured.answers) < 2 * (MAX_READ_BYTES + 2 * 400_000)
    assert {"y"} == {
        (await stage.get(notes, f"n{number}")).json["text"][0] for number in (0, 2, 5, 24)
    }


async def test_with_fail_fast_a_later_part_stops_where_it_is_refused(stage: Stage) -> None:
    """Changes before the refusal are made and none after it."""
    for number in range(25):
        await stage.create(notes, f"n{number}", text="x" * 390_000)
    operations: list[Change] = [Update(f"n{number}", {"text": "y"}) for number in range(25)]
    operations[18] = Update("n18", {"text": 5})

    codes = await stage.codes(notes, *operations, fail_fast=True)

    assert ["record"] * 18 + ["VALIDATION_FAILED"] + ["NOT_ATTEMPTED"] * 6 == codes
    texts = [(await stage.get(notes, f"n{number}")).json["text"][0] for number in range(25)]
    assert ["y"] * 18 + ["x"] * 7 == texts
