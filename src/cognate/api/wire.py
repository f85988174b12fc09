"""What crosses the wire: base classes of requests and answers, and errors that point at fields.

A message continues the field's name: `/limit` *must be at most 50*. It never repeats the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from cognate.definitions.names import camel_case
from cognate.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

MAX_TEXT_CHARACTERS: Final = 100_000
"""Characters of one text, to be embedded or searched for."""

MAX_REPORTED_ERRORS: Final = 20
"""Broken rules that one answer names: a body of a megabyte can break as many."""

MAX_POINTER_NAME: Final = 64
"""Characters of an unknown field's name that an answer repeats in a pointer."""

REFUSED: Final = "refused"
"""Pydantic's name for the errors that our own validators raise."""


class RequestModel(BaseModel):
    """The body of a request: camelCase names only, no unknown ones, no conversion of types."""

    model_config = ConfigDict(
        alias_generator=camel_case, extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class AnswerModel(BaseModel):
    """The body of an answer, made by its Python names and sent in camelCase."""

    model_config = ConfigDict(
        alias_generator=camel_case, validate_by_name=True, extra="forbid", frozen=True
    )

    def to_json(self) -> bytes:
        """The answer as JSON in UTF-8."""
        return self.model_dump_json(by_alias=True).encode()


M = TypeVar("M", bound=RequestModel)


def parse(model: type[M], value: Mapping[str, Any]) -> M:
    """The model of a JSON object.

    Raises:
        InvalidInput: with a JSON pointer and a sentence for each of the first 20 broken rules.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        fields = [_field_error(detail) for detail in details[:MAX_REPORTED_ERRORS]]
        raise InvalidInput(*fields) from None


def refuse_field(pointer: str, message: str) -> NoReturn:
    """Refuse from a validator of a whole model, naming the field that has to change.

    Args:
        pointer: below the model, such as `/id`.
        message: what it must be, without anything of the input.
    """
    raise PydanticCustomError(REFUSED, "{message}", {"pointer": pointer, "message": message})


def pointer_to(*location: str | int) -> str:
    """The JSON pointer (RFC 6901) of a location."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def _not_blank(text: str) -> str:
    if not text.strip():
        refuse_field("", "must hold some text, not only white space")
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS), AfterValidator(_not_blank)]
"""A text with something in it, of at most 100,000 characters."""

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
"""A name or an id, which is looked up and need not exist."""

Cosine = Annotated[float, Field(ge=-1, le=1)]
"""A cosine: a finite number from -1 to 1."""

JsonObject = dict[str, Any]
"""An object whose content the core checks, such as a filter."""

OnlyIfSo = Annotated[bool, Field(exclude_if=lambda value: not value)]
"""A flag of an answer that is left out unless it is true."""

OnlyIfGiven = Annotated[str | None, Field(exclude_if=lambda value: value is None)]
"""A text of an answer that is left out where there is none."""

_MESSAGES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request; remove it",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be one of {expected}",
    REFUSED: "{message}",
}


def _field_error(detail: ErrorDetails) -> FieldError:
    context = detail.get("ctx", {})
    template = _MESSAGES.get(detail["type"], "is not a valid value")
    message = template.format(**context)
    return FieldError(_pointer(detail["loc"]) + str(context.get("pointer", "")), message)


def _pointer(location: Sequence[str | int]) -> str:
    known = list(location)
    # The name of an unknown field is the caller's own; a long one is not handed back.
    while known and len(str(known[-1])) > MAX_POINTER_NAME:
        known.pop()
    return pointer_to(*known)
