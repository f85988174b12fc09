"""A record in its three forms: JSON as callers have it, a validated model, and columns of a row.

Scalars are columns of their own kind, booleans 0 or 1. Dates, times, UUIDs and decimal numbers are
texts in one form (see `normal_forms`), all else is JSON text.
"""

from __future__ import annotations

import json
import math
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from cognate.errors import FieldError, InvalidInput
from cognate.records.normal_forms import shown_datetime, utc_datetime, written_out
from cognate.text_limits import UNSTORABLE
from cognate.validation import MAX_REPORTED_ERRORS, invalid_input, json_names, pointer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cognate.ports import Parameter, Row
    from cognate.schema import Table
    from cognate.schema.field_types import FieldType

    Rule = Callable[[Any], str | None]
    """Says what is wrong with a value that is neither an array nor an object."""

_ENCODERS: Final[dict[str, Callable[[Any], Parameter]]] = {
    "boolean": int,
    "datetime": utc_datetime,
    "decimal": written_out,
}
"""From JSON to a column, where the two differ; each may raise `ValueError` with what is wrong."""

MAX_RECORD_BYTES: Final = 400_000
"""Of a record's fields as JSON. A change is sent to D1 with what it replaces, all of it escaped
once more, and a bound value of D1 ends at 2 MB."""

MAX_INTEGER: Final = 2**53 - 1
"""JavaScript, through which every value goes, is exact for integers up to this."""


def columns_of(table: Table, record: Mapping[str, Any]) -> dict[str, Parameter]:
    """The columns of a record that a caller sent, by field, validated as a whole.

    Args:
        table: whose record it is.
        record: by JSON name, all its fields.

    Raises:
        InvalidInput: it breaks a rule of the model, or holds what cannot be stored.
    """
    _require_storable(record, _broken_rule)
    try:
        # As JSON and strictly: a date is a string there, but a number is never one.
        model = table.record.model_validate_json(
            json.dumps(record), strict=True, by_alias=True, by_name=False
        )
    except ValidationError as error:
        raise invalid_input(error, fields=json_names(table.record), what="record") from None
    values = model.model_dump(mode="json", by_alias=True)
    # Only now it is known which whole numbers are meant as doubles, which may be larger.
    _require_storable(values, _broken_rule_of_integers)
    columns: dict[str, Parameter] = {}
    broken: list[FieldError] = []
    for field, name in table.json_names.items():
        try:
            columns[field] = _encode(table.field_types[field], values[name])
        except ValueError as broken_rule:
            broken.append(FieldError(pointer_to(name), str(broken_rule)))
    if broken:
        raise InvalidInput(*broken)
    size = len(json.dumps(columns, ensure_ascii=False).encode())
    if size > MAX_RECORD_BYTES:
        message = f"must have at most {MAX_RECORD_BYTES:,} bytes as JSON; it has {size:,}"
        raise InvalidInput(FieldError("", message))
    return columns


def fields_of(table: Table, row: Row) -> dict[str, Any]:
    """The fields of a row, by JSON name; `row` has them as `field_…`."""
    return {
        name: _decode(table.field_types[field], row[f"field_{field}"])
        for field, name in table.json_names.items()
    }


def json_of(table: Table, row: Row) -> dict[str, Any]:
    """A record as it is answered: never its organization, its deletion or its vectors."""
    return {
        "id": row["id"],
        **fields_of(table, row),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def changed_fields(table: Table, row: Row, columns: Mapping[str, Parameter]) -> frozenset[str]:
    """The fields whose value is not the one in the row; how JSON is spaced makes no difference."""
    return frozenset(
        field
        for field, kind in table.field_types.items()
        if not _is_same(kind, row[f"field_{field}"], columns[field])
    )


def _encode(kind: FieldType, value: Any) -> Parameter:  # noqa: ANN401 - JSON of any kind
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    encoded: Parameter = _ENCODERS[kind](value) if kind in _ENCODERS else value
    return encoded


def _decode(kind: FieldType, value: Any) -> Any:  # noqa: ANN401 - JSON of any kind
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "datetime" and isinstance(value, str):
        return shown_datetime(value)
    if kind != "json":
        return value
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value  # written behind the API, and still somebody's data


def _is_same(kind: FieldType, stored: Any, new: Parameter) -> bool:  # noqa: ANN401 - a column
    if kind != "json" or stored is None or new is None:
        return bool(stored == new)
    # As text again: in Python true is 1.
    return json.dumps(_decode(kind, stored)) == json.dumps(_decode(kind, new))


def _require_storable(value: Mapping[str, Any], rule: Rule) -> None:
    broken = list(islice(_unstorable(value, rule), MAX_REPORTED_ERRORS))
    if broken:
        raise InvalidInput(*broken)


def _unstorable(value: Any, rule: Rule, *location: str | int) -> Iterator[FieldError]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        for name, item in value.items():
            if UNSTORABLE.search(name):
                yield FieldError(
                    pointer_to(*location), "has a name with a NUL or half a character in it"
                )
            else:
                yield from _unstorable(item, rule, *location, name)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _unstorable(item, rule, *location, position)
    else:
        broken = rule(value)
        if broken is not None:
            yield FieldError(pointer_to(*location), broken)


def _broken_rule(value: Any) -> str | None:  # noqa: ANN401 - JSON
    if isinstance(value, str) and UNSTORABLE.search(value):
        return "must have no NUL and no half characters"
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    return None


def _broken_rule_of_integers(value: Any) -> str | None:  # noqa: ANN401 - JSON
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "must be at most 2^53 - 1 in size"
    return _broken_rule(value)
