"""Request models convert nothing and point at fields, and answer models read the core."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from cognate.api.routing import parse_request
from cognate.api.wire import (
    AnswerModel,
    Cosine,
    Identifier,
    Pagination,
    RequestModel,
    Text,
    Time,
)
from cognate.errors import InvalidInput
from cognate.pagination import Page
from cognate.text_limits import MAX_TEXT_CHARACTERS
from cognate.validation import MAX_REPORTED_ERRORS, pointer_to


class Item(RequestModel):
    """An object inside a body."""

    text_value: Text


class Body(RequestModel):
    """A body with a field of each kind."""

    some_text: Text = "text"
    limit: Annotated[int, Field(ge=1, le=50)] = 1
    threshold: Cosine = 0
    name: Identifier = "name"
    flag: bool = False
    kind: Literal["one", "two"] = "one"
    numbers: Annotated[list[float], Field(min_length=1, max_length=3)] = Field(
        default_factory=lambda: [1.0]
    )
    items: list[Item] = Field(default_factory=list)
    filter: dict[str, Any] | None = None


class Answer(AnswerModel):
    """An answer with names of two words."""

    job_id: str
    high_confidence: Annotated[int, Field(alias="high_confidence")]


UNKNOWN = (
    "is not a field of this request, which has someText, limit, threshold, name, flag, kind, "
    "numbers, items, filter"
)
"""The message for an unknown name."""


def errors_of(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the pointer and message of each rule that a body breaks."""
    with pytest.raises(InvalidInput) as caught:
        parse_request(Body, value)
    return [(field.pointer, field.message) for field in caught.value.fields]


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({"limit": "5"}, "/limit", "must be a whole number"),
        ({"limit": 5.0}, "/limit", "must be a whole number"),
        ({"limit": True}, "/limit", "must be a whole number"),
        ({"limit": None}, "/limit", "must be a whole number"),
        ({"limit": 0}, "/limit", "must be at least 1"),
        ({"limit": 51}, "/limit", "must be at most 50"),
        ({"threshold": "0.5"}, "/threshold", "must be a number"),
        ({"threshold": True}, "/threshold", "must be a number"),
        ({"threshold": 1.01}, "/threshold", "must be at most 1"),
        ({"threshold": -1.01}, "/threshold", "must be at least -1"),
        ({"threshold": float("inf")}, "/threshold", "must be a finite number"),
        ({"name": ""}, "/name", "must have at least 1 character(s)"),
        ({"name": 5}, "/name", "must be a string"),
        ({"flag": "true"}, "/flag", "must be true or false"),
        ({"flag": 1}, "/flag", "must be true or false"),
        ({"kind": "three"}, "/kind", "must be one of 'one' or 'two'"),
        ({"numbers": []}, "/numbers", "must have at least 1 item(s)"),
        ({"numbers": [1, 2, 3, 4]}, "/numbers", "must have at most 3 items"),
        ({"numbers": "123"}, "/numbers", "must be an array"),
        ({"numbers": [1, "2"]}, "/numbers/1", "must be a number"),
        ({"items": [{"textValue": "a"}, {}]}, "/items/1/textValue", "is required"),
        ({"items": [[]]}, "/items/0", "must be an object"),
        (
            {"items": [{"textValue": "a", "x": 1}]},
            "/items/0/x",
            "is not a field of this request; remove it",
        ),
        ({"someText": ""}, "/someText", "must hold some text, not only white space"),
        ({"someText": " \n\u00a0"}, "/someText", "must hold some text, not only white space"),
        ({"someText": ["a"]}, "/someText", "must be a string"),
        ({"other": 1}, "/other", UNKNOWN),
        ({"some_text": "a"}, "/some_text", UNKNOWN),
        ({"a/b~c": 1}, "/a~1b~0c", UNKNOWN),
        ({"filter": []}, "/filter", "must be an object"),
    ],
)
def test_says_what_each_field_must_be(value: dict[str, Any], pointer: str, message: str) -> None:
    """No value is converted, and the message states the rule."""
    assert errors_of(value) == [(pointer, message)]


def test_a_text_may_have_exactly_the_limit() -> None:
    """A text of the limit is accepted, and one more character is refused."""
    longest = "\u00e9" * MAX_TEXT_CHARACTERS

    assert parse_request(Body, {"someText": longest}).some_text == longest
    ((pointer, message),) = errors_of({"someText": longest + "x"})
    assert (pointer, message) == (
        "/someText",
        "must have at most 100,000 characters; split it into several",
    )


def test_a_text_keeps_its_white_space() -> None:
    """A text is checked and not changed."""
    assert parse_request(Body, {"someText": "  a\n"}).some_text == "  a\n"


def test_every_broken_rule_is_told_at_once() -> None:
    """One answer lists all broken rules."""
    pointers = [pointer for pointer, _ in errors_of({"limit": 0, "flag": 1, "x": 1})]

    assert pointers == ["/limit", "/flag", "/x"]


def test_the_number_of_told_errors_is_bounded() -> None:
    """An answer lists at most so many broken rules."""
    assert len(errors_of({f"x{number}": 1 for number in range(1000)})) == MAX_REPORTED_ERRORS


def test_a_long_unknown_name_is_not_handed_back() -> None:
    """The pointer does not repeat a long unknown name."""
    assert errors_of({"x" * 65: 1}) == [("", UNKNOWN)]


@pytest.mark.parametrize(
    "value",
    [
        {"limit": "canary"},
        {"kind": "canary"},
        {"someText": {"canary": "canary"}},
        {"numbers": ["canary"]},
        {"filter": "canary"},
        {"flag": "canary"},
    ],
)
def test_no_error_repeats_the_input(value: dict[str, Any]) -> None:
    """No message contains a value of the body."""
    assert "canary" not in json.dumps(errors_of(value))


def test_an_answer_is_made_by_python_names_and_sent_in_camel_case() -> None:
    """A field may have another name in JSON if the contract needs it."""
    answer = Answer(job_id="j", high_confidence=1)

    assert json.loads(answer.model_dump_json()) == {"jobId": "j", "high_confidence": 1}


def test_an_answer_has_no_other_fields() -> None:
    """An undeclared field is refused."""
    with pytest.raises(ValidationError):
        Answer.model_validate({"jobId": "j", "high_confidence": 1, "embedding": "x"})


@dataclass
class Person:
    """A value of the core."""

    id: str
    born_at: datetime


class PersonAnswer(AnswerModel):
    """An answer that reads a person."""

    person_id: str = Field(validation_alias="id")
    born_at: Time


def test_an_answer_reads_the_attributes_of_a_value_of_the_core() -> None:
    """An attribute may have another name than the field, and a time becomes ISO 8601."""
    person = Person("p1", datetime(2026, 11, 1, 12, tzinfo=UTC))

    assert PersonAnswer.model_validate(person).model_dump_json() == (
        '{"personId":"p1","bornAt":"2026-11-01T12:00:00.000Z"}'
    )


def test_an_attribute_that_is_missing_is_an_error() -> None:
    """An answer has no field that nobody set."""
    with pytest.raises(ValidationError) as caught:
        PersonAnswer.model_validate(Page(items=[], limit=1, next_cursor=None))

    assert {"missing"} == {error["type"] for error in caught.value.errors()}


def test_pointers_are_escaped() -> None:
    """Pointers follow RFC 6901."""
    assert pointer_to("a/b", 0, "c~d") == "/a~1b/0/c~0d"
    assert pointer_to() == ""


def test_a_page_in_the_middle_says_where_the_next_one_begins() -> None:
    """The page has a cursor, and no total unless it was asked for."""
    page = Page(items=["a", "b"], limit=2, next_cursor="abc")

    assert Pagination.model_validate(page).model_dump() == {
        "count": 2,
        "limit": 2,
        "nextCursor": "abc",
        "hasMore": True,
    }


def test_the_last_page_has_no_next_one() -> None:
    """The last page has no cursor, and a total of 0 is kept."""
    page = Page[str](items=[], limit=50, next_cursor=None, total=0)

    assert Pagination.model_validate(page).model_dump() == {
        "count": 0,
        "limit": 50,
        "nextCursor": None,
        "hasMore": False,
        "total": 0,
    }
