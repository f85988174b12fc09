"""Records as JSON and as columns, and values that cannot be stored."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations
from decimal import Decimal  # noqa: TC003
from enum import Enum
from typing import Any, Literal
from uuid import UUID  # noqa: TC003

import pytest
from pydantic import Field

from cognate.errors import InvalidInput
from cognate.records.codec import changed_fields, fields_of, json_of, validated_columns
from cognate.schema import Record, Table
from tests.stage.records import posts


class Size(Enum):
    """A closed set whose members are not text in Python."""

    SMALL = "s"


class Thing(Record):
    """A field of every type."""

    name: str = Field(min_length=1)
    size: Size | None = None
    state: Literal["draft", "public"] = "draft"
    on: date | None = None
    key: UUID | None = None
    price: Decimal | None = None
    at: datetime | None = None
    either: int | str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


things = Table("things", Thing)


def row_of(table: Table, record: dict[str, Any]) -> dict[str, Any]:
    """The row that a record would have."""
    columns = {f"field_{name}": value for name, value in validated_columns(table, record).items()}
    return {"id": "t1", "created_at": "then", "updated_at": "now", **columns}


def test_scalars_are_native_and_the_rest_is_text() -> None:
    """Booleans are numbers, dates are text, and everything without a column type is JSON."""
    record = {
        "name": "x",
        "size": "s",
        "on": "2026-11-20",
        "key": "12345678-1234-5678-1234-567812345678",
        "price": "1.50",
        "at": "2026-11-20T12:00:00Z",
        "either": "5",
        "data": {"a": [1, None, "\u00e9"]},
    }

    assert validated_columns(things, record) == {
        "name": "x",
        "size": '"s"',
        "state": "draft",
        "on": "2026-11-20",
        "key": "12345678-1234-5678-1234-567812345678",
        "price": "1.50",
        "at": "2026-11-20T12:00:00.000000Z",
        "either": '"5"',
        "data": '{"a":[1,null,"\u00e9"]}',
    }
    assert fields_of(things, row_of(things, record)) == {**record, "state": "draft"}
    assert validated_columns(posts, {"title": "x", "isPublic": True})["is_public"] == 1
    assert fields_of(posts, row_of(posts, {"title": "x", "isPublic": True}))["isPublic"] is True


@pytest.mark.parametrize(
    ("sent", "stored", "shown"),
    [
        ("2026-01-31T01:00:00+01:00", "2026-01-31T00:00:00.000000Z", "2026-01-31T00:00:00Z"),
        ("2026-01-31T00:00:00", "2026-01-31T00:00:00.000000Z", "2026-01-31T00:00:00Z"),
        ("2026-01-31T00:00:00.25Z", "2026-01-31T00:00:00.250000Z", "2026-01-31T00:00:00.250000Z"),
    ],
)
def test_a_datetime_is_stored_and_answered_in_utc(sent: str, stored: str, shown: str) -> None:
    """The moment stays the one that was sent."""
    record = {"title": "x", "publishedAt": sent}

    assert stored == validated_columns(posts, record)["published_at"]
    assert shown == fields_of(posts, row_of(posts, record))["publishedAt"]
    again = {"title": "x", "publishedAt": shown}
    assert (
        changed_fields(posts, row_of(posts, record), validated_columns(posts, again)) == frozenset()
    )


def test_a_datetime_written_behind_the_api_is_shown_as_it_is() -> None:
    """Any text that SQL wrote into the column is answered unchanged."""
    for value in ("2026-01-31 00:00:00", 1769817600):
        row = {**row_of(posts, {"title": "x"}), "field_published_at": value}
        assert value == fields_of(posts, row)["publishedAt"]


def test_an_answer_has_the_id_the_fields_and_the_times() -> None:
    """The answer has them in this order and nothing else of the row."""
    row = {**row_of(posts, {"title": "x"}), "organization_id": "o", "embedding": [1]}

    assert list(json_of(posts, row)) == [
        "id",
        *posts.json_names.values(),
        "createdAt",
        "updatedAt",
    ]


@pytest.mark.parametrize(
    ("record", "pointer", "message"),
    [
        ({}, "/name", "is required"),
        ({"name": ""}, "/name", "at least 1 character"),
        ({"name": None}, "/name", "must be a string"),
        ({"name": 5}, "/name", "must be a string"),
        ({"name": "x", "Name": "x"}, "/Name", "is not a field of this record, which has name, "),
        ({"name": "x", "size": "m"}, "/size", "must be one of 's'"),
        ({"name": "x", "state": "lost"}, "/state", "must be one of 'draft' or 'public'"),
        ({"name": "x", "on": "tomorrow"}, "/on", "must be a date in ISO 8601"),
        ({"name": "x", "on": 5}, "/on", "must be a date"),
        ({"name": "x", "key": "5"}, "/key", "must be a UUID"),
        ({"name": "x", "data": []}, "/data", "must be an object"),
        ({"name": "x", "price": "1E+1000"}, "/price", "at most 100 characters"),
        ({"name": "x", "at": "0001-01-01T00:00:00+01:00"}, "/at", "years 1 to 9999"),
        ({"name": "x", "data": {"a/b": [2**53]}}, "/data/a~1b/0", "2^53 - 1"),
        ({"name": "x", "either": -(2**53)}, "/either", "2^53 - 1"),
        ({"name": "x", "data": {"a": float("inf")}}, "/data/a", "finite"),
        ({"name": "x", "data": {"a": float("nan")}}, "/data/a", "finite"),
        ({"name": "a\x00b"}, "/name", "no NUL"),
        ({"name": "\ud800"}, "/name", "half"),
        ({"name": "x", "data": {"\x00": 1}}, "/data", "has a name"),
    ],
)
def test_broken_rules_are_pointed_at(record: dict[str, Any], pointer: str, message: str) -> None:
    """A pointer has JSON names, and the message continues the field's name."""
    with pytest.raises(InvalidInput) as caught:
        validated_columns(things, record)

    assert [field.pointer for field in caught.value.fields][:1] == [pointer]
    assert message in caught.value.fields[0].message


def test_python_names_are_not_taken() -> None:
    """Only the JSON name of a field is accepted."""
    with pytest.raises(InvalidInput) as caught:
        validated_columns(posts, {"title": "x", "is_public": True})

    assert caught.value.fields[0].pointer == "/is_public"


def test_the_largest_integers_are_taken() -> None:
    """Integers up to 2^53 - 1 are accepted, which JavaScript holds exactly."""
    record = {"title": "x", "year": 2**53 - 1, "score": -(2**53) + 1}

    assert validated_columns(posts, record)["year"] == 2**53 - 1


def test_only_another_value_is_a_change() -> None:
    """White space in JSON is not a change, and true in place of 1 is one."""
    row = row_of(things, {"name": "x", "data": {"a": 1}})
    row["field_data"] = '{ "a" : 1 }'

    def changed(**record: Any) -> frozenset[str]:
        return changed_fields(things, row, validated_columns(things, {"name": "x", **record}))

    assert changed(data={"a": 1}) == frozenset()
    assert changed(data={"a": True}) == {"data"}
    assert changed(data={"a": 1}, size="s", state="public") == {"size", "state"}


def test_what_was_written_behind_the_api_is_shown_as_it_is() -> None:
    """A column that should hold JSON and does not is answered unchanged."""
    row = {**row_of(things, {"name": "x"}), "field_data": "no json", "field_either": 5}

    assert fields_of(things, row)["data"] == "no json"
    assert fields_of(things, row)["either"] == 5


def test_a_double_may_be_larger_than_any_whole_number() -> None:
    """A large double can be stored, read and changed."""
    for value in (1e16, 10**16, -1.5e308):
        assert validated_columns(posts, {"title": "x", "value": value})["value"] == value
    with pytest.raises(InvalidInput) as caught:
        validated_columns(posts, {"title": "x", "value": 1e16, "year": 10**16})
    assert [field.pointer for field in caught.value.fields] == ["/year"]
