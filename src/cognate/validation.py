"""What pydantic found wrong, in our words: a pointer and a sentence for each broken rule.

A message continues the field's name: `/limit` *must be at most 50*. It never repeats the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from pydantic_core import PydanticCustomError

from cognate.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MAX_REPORTED_ERRORS: Final = 20
"""Broken rules that one answer names: a body of a megabyte can break as many."""

MAX_READ_ERRORS: Final = 1000
"""Broken rules that are looked at: of a hundred thousand, pydantic takes half a second to tell."""

MAX_POINTER_NAME: Final = 64
"""Characters of an unknown field's name that an answer repeats in a pointer."""

REFUSED: Final = "refused"
"""Pydantic's name for the errors that our own validators raise."""

_MESSAGES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request; remove it",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "datetime_type": "must be a date and time in ISO 8601",
    "datetime_parsing": "must be a date and time in ISO 8601",
    "datetime_from_date_parsing": "must be a date and time in ISO 8601",
    "date_type": "must be a date in ISO 8601",
    "date_parsing": "must be a date in ISO 8601",
    "date_from_datetime_parsing": "must be a date in ISO 8601",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    # Raised by a validator of the schema: what it says is its author's to answer for.
    "value_error": "is not valid: {error}",
    "assertion_error": "is not valid: {error}",
    REFUSED: "{message}",
}


def invalid_input(error: ValidationError, prefix: str = "") -> InvalidInput:
    """The error that pydantic's stands for, with the first 20 broken rules.

    Args:
        error: of a model whose aliases are the names in JSON.
        prefix: the JSON pointer to what was validated.
    """
    if error.error_count() > MAX_READ_ERRORS:
        message = f"breaks {error.error_count():,} rules, which are too many to be told one by one"
        return InvalidInput(FieldError(prefix, message))
    details = error.errors(include_url=False, include_input=False)[:MAX_REPORTED_ERRORS]
    return InvalidInput(*(_field_error(detail, prefix) for detail in details))


def refuse_field(pointer: str, message: str) -> NoReturn:
    """Refuse from a validator of a whole model, naming the field that has to change.

    Args:
        pointer: below the model, such as `/id`.
        message: what it must be, without anything of the input.
    """
    raise PydanticCustomError(REFUSED, "{message}", {"pointer": pointer, "message": message})


def pointer_to(*location: str | int) -> str:
    """The JSON pointer (RFC 6901) of a location; of names that are too long, none."""
    known = list(location)
    # The name of an unknown field is the caller's own; a long one is not handed back.
    while known and len(str(known[-1])) > MAX_POINTER_NAME:
        known.pop()
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in known)


def _field_error(detail: ErrorDetails, prefix: str) -> FieldError:
    context = detail.get("ctx", {})
    template = _MESSAGES.get(detail["type"], "is not a valid value")
    message = template.format(**context)
    location: Sequence[str | int] = detail["loc"]
    return FieldError(prefix + pointer_to(*location) + str(context.get("pointer", "")), message)
