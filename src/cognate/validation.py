"""Turn pydantic's errors into `InvalidInput`: a JSON pointer and a message for each broken rule.

A message is the end of a sentence that starts with the field: `/limit` *must be at most 50*. No
message repeats the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from pydantic_core import PydanticCustomError

from cognate.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

MAX_REPORTED_ERRORS: Final = 20
"""Broken rules that one answer lists. A body of a megabyte can break a rule in every byte."""

MAX_READ_ERRORS: Final = 1000
"""Broken rules that are read. Pydantic needs half a second to list a hundred thousand."""

MAX_POINTER_NAME: Final = 64
"""The longest name of an unknown field that a pointer repeats, in characters."""

REFUSED: Final = "refused"
"""The type of the errors that the validators of this project raise."""

NOT_VALID: Final = "is not a valid value"
"""The message of an error whose own message may repeat the input."""

_DATETIME: Final = "must be a date and time in ISO 8601"
_DATE: Final = "must be a date in ISO 8601"
_DURATION: Final = "must be a duration in ISO 8601"
_URL: Final = "must be a URL"

_MESSAGES: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request; remove it",
    "none_required": "must be null",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a decimal number",
    "decimal_parsing": "must be a decimal number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "set_type": "must be an array",
    "frozen_set_type": "must be an array",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "union_tag_invalid": "must have one of {expected_tags} as {discriminator}",
    "union_tag_not_found": "must have {discriminator}",
    "datetime_type": _DATETIME,
    "datetime_parsing": _DATETIME,
    "datetime_object_invalid": _DATETIME,
    "datetime_from_date_parsing": _DATETIME,
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": "must be a date without a time of day",
    "time_type": "must be a time in ISO 8601",
    "time_parsing": "must be a time in ISO 8601",
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    "timezone_aware": "must have a time zone",
    "timezone_naive": "must have no time zone",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "url_type": _URL,
    "url_parsing": _URL,
    "url_syntax_violation": _URL,
    "bytes_invalid_encoding": "must be text in {encoding}",
    "json_invalid": "must be JSON",
    # A validator of the user's schema raised these, and its author wrote the message.
    "value_error": "is not valid: {error}",
    "assertion_error": "is not valid: {error}",
    REFUSED: "{message}",
}
"""Messages by the type of pydantic's error. Other types keep the message of pydantic."""

_OF_THE_SCHEMA: Final = frozenset(
    # Bounds and lengths.
    {"gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "actual_length"}
    | {"max_digits", "decimal_places", "whole_digits", "tz_expected", "tz_actual"}
    # Names.
    | {"field_type", "class", "class_name", "pattern", "expected", "discriminator"}
    | {"expected_tags", "expected_schemes", "expected_version"}
)
"""Values that a message of pydantic may contain: rules of the schema and counts, not the input."""

_SUBJECT: Final = "Input should "
"""The start of most messages of pydantic."""


def invalid_input(
    error: ValidationError, prefix: str = "", fields: Sequence[str] = (), what: str = "request"
) -> InvalidInput:
    """Convert an error of pydantic, with its first 20 broken rules.

    Args:
        error: raised by a model whose aliases are the names in JSON.
        prefix: the JSON pointer to the value that was validated.
        fields: the names in JSON that the model has, listed when there is an unknown one.
        what: the noun for the owner of these fields: a request or a record.
    """
    if error.error_count() > MAX_READ_ERRORS:
        message = f"breaks {error.error_count():,} rules, which are too many to be told one by one"
        return InvalidInput(FieldError(prefix, message))
    details = error.errors(include_url=False, include_input=False)[:MAX_REPORTED_ERRORS]
    return InvalidInput(*(_field_error(detail, prefix, fields, what) for detail in details))


def json_names(model: type[BaseModel]) -> list[str]:
    """Return the names in JSON of the fields of a model."""
    return [field.alias or name for name, field in model.model_fields.items()]


def refuse_field(pointer: str, message: str) -> NoReturn:
    """Refuse a value from a validator, and name the field that has to change.

    Args:
        pointer: relative to the value that is validated, such as `/id`.
        message: the rule, without any part of the input.
    """
    raise PydanticCustomError(REFUSED, "{message}", {"pointer": pointer, "message": message})


def pointer_to(*location: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a location, without names that are too long."""
    known = list(location)
    # The name of an unknown field is the caller's own text, so a long one is not repeated.
    while known and len(str(known[-1])) > MAX_POINTER_NAME:
        known.pop()
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in known)


def _field_error(detail: ErrorDetails, prefix: str, fields: Sequence[str], what: str) -> FieldError:
    context = detail.get("ctx", {})
    location: Sequence[str | int] = detail["loc"]
    pointer = prefix + pointer_to(*location) + str(context.get("pointer", ""))
    if fields and detail["type"] == "extra_forbidden" and len(location) == 1:
        return FieldError(pointer, f"is not a field of this {what}, which has {', '.join(fields)}")
    return FieldError(pointer, _sentence(detail, context))


def _sentence(detail: ErrorDetails, context: Mapping[str, Any]) -> str:
    try:
        # A validator of the user's schema may use a type of pydantic without its context.
        known = _MESSAGES[detail["type"]]
        return known.format_map({name: _told(value) for name, value in context.items()})
    except KeyError:
        pass
    if not context.keys() <= _OF_THE_SCHEMA:
        return NOT_VALID
    own = detail["msg"]
    if own.startswith(_SUBJECT):
        return f"must {own.removeprefix(_SUBJECT)}"
    return f"is not valid: {own}"


def _told(value: Any) -> str:  # noqa: ANN401 - a bound of any type
    """Format a value of a rule as a person writes it. Dates and durations are text already."""
    return f"{value:g}" if isinstance(value, float) else str(value)
