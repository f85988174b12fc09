"""Base classes of request and answer models, and the types of their fields.

JSON has camelCase names, Python has snake_case ones. A request model accepts the JSON names only.
An answer model is made by the Python names, or reads the attributes of a value of the core.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from cognate.pagination import Page
from cognate.schema.names import camel_case
from cognate.text_limits import require_text
from cognate.times import to_iso

MAX_PAGE_ITEMS: Final = 100
"""Items of one page."""

DEFAULT_PAGE_ITEMS: Final = 50


class RequestModel(BaseModel):
    """The body of a request. It has no unknown names, and no value is converted."""

    model_config = ConfigDict(
        alias_generator=camel_case, extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class QueryModel(BaseModel):
    """The query string of a request. It has no unknown names, and numbers are read from text."""

    model_config = ConfigDict(
        alias_generator=camel_case, extra="forbid", frozen=True, allow_inf_nan=False
    )


class AnswerModel(BaseModel):
    """The body of an answer.

    `model_validate` reads the fields from a mapping or from the attributes of a value of the core.
    A `validation_alias` names the attribute where its name is not the field's.
    """

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=camel_case),
        serialize_by_alias=True,
        validate_by_name=True,
        from_attributes=True,
        extra="forbid",
        frozen=True,
    )


Text = Annotated[str, AfterValidator(require_text)]
"""A text that is not blank, has at most 100,000 characters and no NUL."""

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
"""A name or an id that is looked up. It need not exist."""

Cosine = Annotated[float, Field(ge=-1, le=1)]

JsonObject = dict[str, Any]
"""An object that the core checks, such as a filter."""

Time = Annotated[datetime, PlainSerializer(to_iso, return_type=str)]
"""A time, sent as ISO 8601 in UTC."""

TrueOrAbsent = Annotated[bool, Field(exclude_if=lambda value: not value)]
"""A flag of an answer that is left out unless it is true."""

TextOrAbsent = Annotated[str | None, Field(exclude_if=lambda value: value is None)]
"""A text of an answer that is left out if it is None."""


class PageQuery(QueryModel):
    """The page of a list. `cursor` is `nextCursor` of the page before."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = DEFAULT_PAGE_ITEMS
    cursor: str | None = None


class Pagination(AnswerModel):
    """The position of a page: `nextCursor` is null on the last one.

    `total` counts the items of all pages. It is left out unless it was asked for.
    """

    count: int
    limit: int
    next_cursor: str | None
    has_more: bool
    total: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None


Listed = TypeVar("Listed")


class PageAnswer(AnswerModel, Generic[Listed]):
    """One page of a list. It reads a `cognate.pagination.Page`."""

    data: list[Listed]
    pagination: Pagination

    @model_validator(mode="before")
    @classmethod
    def _read_page(cls, value: object) -> object:
        return {"data": value.items, "pagination": value} if isinstance(value, Page) else value
