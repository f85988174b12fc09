"""From the parameters of a URL to a model, refusing what is not known or given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cognate.errors import FieldError, InvalidInput
from cognate.schema.names import camel_case
from cognate.validation import MAX_POINTER_NAME, MAX_REPORTED_ERRORS, invalid_input

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_LIMIT: Final = 100
"""Items of one page."""

DEFAULT_LIMIT: Final = 50


class QueryModel(BaseModel):
    """The query of a request: camelCase names only, no unknown ones; texts become numbers."""

    model_config = ConfigDict(
        alias_generator=camel_case, extra="forbid", frozen=True, allow_inf_nan=False
    )


class PageQuery(QueryModel):
    """Which page of a list: `cursor` is `nextCursor` of the page before."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: str | None = None


Q = TypeVar("Q", bound=QueryModel)


def parse_query(model: type[Q], query: Mapping[str, Sequence[str]]) -> Q:
    """The model of a query.

    Raises:
        InvalidInput: with `?name` and a sentence for each of the first 20 broken rules.
    """
    repeated = [
        FieldError(_pointer(name), "must be given once")
        for name, values in query.items()
        if len(values) > 1
    ]
    if repeated:
        raise InvalidInput(*repeated[:MAX_REPORTED_ERRORS])
    try:
        return model.model_validate({name: values[0] for name, values in query.items()})
    except ValidationError as error:
        fields = invalid_input(error).fields
        raise InvalidInput(
            *(FieldError(_pointer(field.pointer[1:]), field.message) for field in fields)
        ) from None


def _pointer(name: str) -> str:
    # As in a body, a long name of the caller's own is not handed back.
    return f"?{name}" if len(name) <= MAX_POINTER_NAME else "?"
