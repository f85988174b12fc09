"""Convert a record between JSON, which callers send and receive, and the columns of its row.

Scalars are stored as they are, booleans as 0 or 1. Dates, times, UUIDs and decimal numbers are
stored as text in one form (see `normal_forms`). Everything else is JSON text.
"""

from __future__ import annotations

import hashlib
import json
import math
from base64 import urlsafe_b64encode
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from cognate.errors import FieldError, InvalidInput
from cognate.records.changes import StoredRecord
from cognate.records.normal_forms import plain_decimal, shown_datetime, utc_datetime
from cognate.text_limits import UNSTORABLE
from cognate.validation import MAX_REPORTED_ERRORS, invalid_input, json_names, pointer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cognate.ports import Parameter, Row
    from cognate.schema import Table
    from cognate.schema.field_types import FieldType

    Rule = Callable[[Any], str | None]
    """Returns what is wrong with a value that is neither an array nor an object."""

MAX_RECORD_BYTES: Final = 400_000
"""Bytes of a record's fields as JSON. A change is sent to D1 together with the version that it
replaces, all of it escaped once more, and D1 takes at most 2 MB in one bound value."""

_ENCODERS: Final[dict[str, Callable[[Any], Parameter]]] = {
    "boolean": int,
    "datetime": utc_datetime,
    "decimal": plain_decimal,
}
"""From JSON to a column, for the kinds that differ. Each may raise `ValueError` with a message."""

MAX_INTEGER: Final = 2**53 - 1
"""JavaScript, through which every value goes, is exact for integers up to this."""


def validated_columns(table: Table, record: Mapping[str, Any]) -> dict[str, Parameter]:
    """Validate a whole record and convert it to its columns, by field.

    Args:
        table: of the record.
        record: all fields by JSON name, as a caller sent them.

    Raises:
        InvalidInput: the record breaks a rule of the model, or cannot be stored.
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
    # The model decides which whole numbers are floats. Only integers have a smaller limit.
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
    """The fields of a row by JSON name; the row has them as `field_…`."""
    return {
        name: _decode(table.field_types[field], row[f"field_{field}"])
        for field, name in table.json_names.items()
    }


def json_of(table: Table, row: Row) -> dict[str, Any]:
    """The record of a row, without its organization, its deletion time and its vectors."""
    return {
        "id": row["id"],
        **fields_of(table, row),
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }


def stored_record(table: Table, row: Row) -> StoredRecord:
    """The record of a row that was read with its version, with its ETag."""
    return StoredRecord(json_of(table, row), etag_of(row["version"]))


def etag_of(version: str) -> str:
    """The strong ETag of a row's version: its SHA-256 in base64url, in double quotes.

    The version is a text of all columns except the vectors, which SQL makes. So an ETag changes
    with every change, also with one that was made outside of the API.
    """
    digest = hashlib.sha256(version.encode("utf-8", "surrogatepass")).digest()
    return f'"{urlsafe_b64encode(digest).decode().rstrip("=")}"'


def changed_fields(table: Table, row: Row, columns: Mapping[str, Parameter]) -> frozenset[str]:
    """The fields whose new value differs from the row's. White space in JSON does not count."""
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
        return value  # It was written outside of the API. It is data all the same.


def _is_same(kind: FieldType, stored: Any, new: Parameter) -> bool:  # noqa: ANN401 - a column
    if kind != "json" or stored is None or new is None:
        return bool(stored == new)
    # Compared as text, because in Python true equals 1.
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
