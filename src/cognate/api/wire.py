"""What crosses the wire: base classes of requests and answers, and the types of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cognate.schema.names import camel_case
from cognate.text_limits import UNSTORABLE, length_problem
from cognate.validation import invalid_input, json_names, refuse_field

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        raise invalid_input(error, fields=json_names(model)) from None


def require_text(text: str, pointer: str = "") -> str:
    """The same text, if it has something in it and D1 could hold it.

    Raises:
        PydanticCustomError: from within a validator, with the pointer to the text.
    """
    if UNSTORABLE.search(text):
        refuse_field(pointer, "must have no NUL and no half characters")
    problem = length_problem(text)
    if problem is not None:
        refuse_field(pointer, problem)
    if not text.strip():
        refuse_field(pointer, "must hold some text, not only white space")
    return text


Text = Annotated[str, AfterValidator(require_text)]
"""A text with something in it, of at most 100,000 characters and without a NUL."""

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
