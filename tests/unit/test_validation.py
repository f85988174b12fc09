"""The messages that pydantic's errors become."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import (
    InitErrorDetails,
    PydanticCustomError,
    core_schema,
)
from pydantic_core._pydantic_core import list_all_errors

from cognate.validation import (
    MAX_POINTER_NAME,
    MAX_READ_ERRORS,
    MAX_REPORTED_ERRORS,
    invalid_input,
    pointer_to,
    refuse_field,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorTypeInfo


class Size(Enum):
    """A closed set of values."""

    SMALL = "s"


def _even(number: int) -> int:
    if number % 2:
        raise ValueError("it is odd")
    return number


class Model(BaseModel, extra="forbid"):
    """A model with a rule of each kind."""

    text: Annotated[str, Field(min_length=2, max_length=3, pattern="^a")] = "ab"
    whole: Annotated[int, Field(gt=0, lt=10)] = 2
    between: Annotated[float, Field(ge=1, le=2)] = 1
    truth: bool = True
    items: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    mapping: dict[str, int] = {}
    state: Literal["on", "off"] = "on"
    size: Size = Size.SMALL
    at: datetime | None = None
    day: date | None = None
    key: UUID | None = None
    even: Annotated[int, AfterValidator(_even)] = 2

    @model_validator(mode="after")
    def _not_off_and_small(self) -> Self:
        if self.state == "off":
            refuse_field("/state", "must not be off")
        return self


@pytest.mark.parametrize(
    ("value", "pointer", "message"),
    [
        ({"text": 5}, "/text", "must be a string"),
        ({"text": "a"}, "/text", "must have at least 2 character(s)"),
        ({"text": "abcd"}, "/text", "must have at most 3 characters"),
        ({"text": "bb"}, "/text", "must match the pattern ^a"),
        ({"whole": "5"}, "/whole", "must be a whole number"),
        ({"whole": 1.5}, "/whole", "must be a whole number"),
        ({"whole": 0}, "/whole", "must be greater than 0"),
        ({"whole": 10}, "/whole", "must be less than 10"),
        ({"between": 0}, "/between", "must be at least 1"),
        ({"between": 3}, "/between", "must be at most 2"),
        ({"between": None}, "/between", "must be a number"),
        ({"truth": 1}, "/truth", "must be true or false"),
        ({"items": {}}, "/items", "must be an array"),
        ({"items": []}, "/items", "must have at least 1 item(s)"),
        ({"items": [1, 2, 3]}, "/items", "must have at most 2 items"),
        ({"items": [1, "x"]}, "/items/1", "must be a whole number"),
        ({"mapping": []}, "/mapping", "must be an object"),
        ({"mapping": {"a/b~": "x"}}, "/mapping/a~1b~0", "must be a whole number"),
        ({"state": "lost"}, "/state", "must be one of 'on' or 'off'"),
        ({"state": "off"}, "/state", "must not be off"),
        ({"size": "l"}, "/size", "must be one of 's'"),
        ({"at": "now"}, "/at", "must be a date and time in ISO 8601"),
        ({"at": []}, "/at", "must be a date and time in ISO 8601"),
        ({"day": "x"}, "/day", "must be a date in ISO 8601"),
        ({"key": "x"}, "/key", "must be a UUID"),
        ({"even": 3}, "/even", "is not valid: it is odd"),
        ({"other": 3}, "/other", "is not a field of this request; remove it"),
    ],
)
def test_each_rule_has_a_sentence(value: Any, pointer: str, message: str) -> None:
    """A message is the end of a sentence that starts with the field."""
    [error] = _errors(value)

    assert error == (pointer, message)


def _errors(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Model.model_validate_json(json.dumps(value), strict=True)
    found = invalid_input(caught.value, prefix).fields
    return [(field.pointer, field.message) for field in found]


def test_the_input_is_not_repeated() -> None:
    """Neither a message nor a pointer repeats the input."""
    secret = "s" * (MAX_POINTER_NAME + 1)

    assert "sss" not in str(_errors({secret: 1, "text": secret, "state": secret}))
    assert _errors({secret: 1})[0][0] == ""


def test_a_pointer_can_be_into_a_part() -> None:
    """A prefix makes pointers relative to the whole request."""
    assert _errors({"truth": 1}, "/items/3")[0][0] == "/items/3/truth"


def test_the_first_broken_rules_are_named() -> None:
    """Only the first broken rules are listed."""
    assert len(_errors({f"x{number}": 1 for number in range(100)})) == MAX_REPORTED_ERRORS


def test_too_many_broken_rules_are_counted_only() -> None:
    """Above a limit the broken rules are counted and not listed."""
    few, many = ({f"x{n}": 1 for n in range(MAX_READ_ERRORS + more)} for more in (0, 1))

    assert len(_errors(few)) == MAX_REPORTED_ERRORS
    assert _errors(many, "/items/3") == [
        ("/items/3", "breaks 1,001 rules, which are too many to be told one by one")
    ]


def test_pointers_are_escaped() -> None:
    """Pointers follow RFC 6901."""
    assert pointer_to() == ""
    assert pointer_to("a", 0, "b/c~d", "") == "/a/0/b~1c~0d/"


class Bounds(BaseModel):
    """A model with a bound of every ordered type."""

    day: Annotated[date, Field(gt=date(2026, 1, 1))] = date(2026, 2, 1)
    at: Annotated[datetime, Field(le=datetime(2026, 1, 1, tzinfo=UTC))] | None = None
    clock: Annotated[time, Field(lt=time(12, 30))] = time(1)
    wait: Annotated[timedelta, Field(ge=timedelta(hours=1))] = timedelta(days=1)
    price: Annotated[Decimal, Field(ge=Decimal("0.10"))] = Decimal(1)
    large: Annotated[int, Field(le=2**53 - 1)] = 1
    ratio: Annotated[float, Field(lt=0.1)] = 0.05
    grade: Annotated[str, Field(gt="b")] = "c"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"day": "2025-01-01"}, "must be greater than 2026-01-01"),
        ({"at": "2027-01-01T00:00:00Z"}, "must be at most 2026-01-01T00:00:00Z"),
        ({"clock": "13:00"}, "must be less than 12:30:00"),
        ({"wait": "PT1M"}, "must be at least 1 hour"),
        ({"price": "0.05"}, "must be at least 0.10"),
        ({"large": 2**53}, "must be at most 9007199254740991"),
        ({"ratio": 0.5}, "must be less than 0.1"),
        ({"grade": "a"}, "must be greater than b"),
    ],
)
def test_a_bound_of_any_type_is_told(value: Any, message: str) -> None:
    """A message writes a bound as JSON does."""
    with pytest.raises(ValidationError) as caught:
        Bounds.model_validate_json(json.dumps(value), strict=True)

    assert [message] == [field.message for field in invalid_input(caught.value).fields]


SECRET = "what-the-caller-sent"
OF_THE_INPUT = {"error", "tag", "encoding_error", "attribute", "method_name"}
"""Parts of pydantic's sentences that may hold the input."""


@pytest.mark.parametrize("kind", list_all_errors(), ids=lambda kind: kind["type"])
def test_every_error_of_pydantic_has_a_sentence(kind: ErrorTypeInfo) -> None:
    """Each error of pydantic becomes a message without any part of the input."""
    context = dict(kind.get("example_context") or {})
    told = {name: SECRET if name in OF_THE_INPUT else value for name, value in context.items()}
    line = InitErrorDetails(type=kind["type"], loc=("field",), input=SECRET, ctx=told)

    [found] = invalid_input(ValidationError.from_exception_data("Model", [line])).fields

    assert "/field" == found.pointer
    assert re.match(r"(must|is|has) ", found.message)
    assert not re.search(r"[{}]", found.message)
    # The author of the validator wrote this message.
    if kind["type"] not in {"value_error", "assertion_error"}:
        assert SECRET not in found.message


def test_the_list_of_pydantics_errors_is_whole() -> None:
    """A new error type of pydantic fails this test."""
    assert set(get_args(core_schema.ErrorType)) == {kind["type"] for kind in list_all_errors()}


def test_pydantics_own_sentence_stands_in_for_ours() -> None:
    """An unknown error type keeps the message of pydantic."""
    steps = InitErrorDetails(type="multiple_of", input=3, ctx={"multiple_of": 5})
    digits = InitErrorDetails(type="decimal_max_digits", input=3, ctx={"max_digits": 5})
    error = ValidationError.from_exception_data("Model", [steps, digits])

    assert [
        "must be a multiple of 5",
        "is not valid: Decimal input should have no more than 5 digits in total",
    ] == [field.message for field in invalid_input(error).fields]


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (PydanticCustomError("odd", "It is odd"), "is not valid: It is odd"),
        (PydanticCustomError("odd", "It is {value}", {"value": SECRET}), "is not a valid value"),
        # A type of pydantic, without its context.
        (PydanticCustomError("greater_than", "It is small"), "is not valid: It is small"),
    ],
)
def test_an_error_of_a_schemas_own_has_its_words(raised: Exception, message: str) -> None:
    """An error of a user's validator keeps its constant message."""

    def refuse(_value: str) -> str:
        raise raised

    adapter = TypeAdapter(Annotated[str, AfterValidator(refuse)])
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python("x")

    assert [message] == [field.message for field in invalid_input(caught.value).fields]
