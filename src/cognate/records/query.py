"""Parse the URL parameters of a list: filters, sort order and page."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from cognate.errors import FieldError, InvalidInput
from cognate.pagination import decode_cursor
from cognate.records.codec import MAX_INTEGER
from cognate.records.normal_forms import plain_date, plain_time, utc_datetime, without_end_zeros
from cognate.schema.field_types import FieldType
from cognate.times import to_iso
from cognate.validation import MAX_POINTER_NAME, MAX_REPORTED_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cognate.ports import Parameter
    from cognate.schema import Table

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100
MAX_FILTERS: Final = 20
"""Filters of one list."""

MAX_IN_VALUES: Final = 100
"""Values of one `in` filter."""

MAX_PATTERN_BYTES: Final = 50
"""Length of a LIKE pattern in D1."""

Comparable = FieldType | Literal["server_time"]
"""A kind of column that SQL can compare. The server writes columns of kind `server_time`."""

WITHOUT_ORDER: Final[Mapping[str, str]] = {
    "decimal": "a decimal number is kept exactly, as text, whose order is not that of numbers; "
    "keep a whole number of its smallest unit beside it for that",
    "time": "times of day with different offsets have no order; keep a number of seconds beside "
    "it for that",
}
"""Kinds that can only be compared for equality, each with the reason."""

RANGES: Final = frozenset({"gt", "gte", "lt", "lte"})

TEXTS: Final = frozenset({"string", "uuid", "date", "datetime"})
"""Kinds of declared fields whose text has an order."""

SORTED_CHARACTERS: Final = 200
"""A list is sorted by this many characters of a text, because a cursor holds them in a URL."""

OPERATORS: Final[Mapping[str, str]] = {
    "": "=",
    "eq": "=",
    "ne": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "in": "IN",
    "like": "LIKE",
}
TRUTH: Final = {"true": 1, "false": 0}


@dataclass(frozen=True)
class RecordFilter:
    """One condition on a column.

    Attributes:
        column: of the table.
        operator: of SQL.
        value: None for null; a JSON array for `IN`.
        is_decimal: the column holds decimal numbers, whose zeros at the end do not count.
    """

    column: str
    operator: str
    value: Parameter
    is_decimal: bool = False


@dataclass(frozen=True)
class RecordQuery:
    """One page of a list.

    Attributes:
        context: the table, the sort and the filters. A cursor is only valid for its own context.
        limit: records of a page, at most.
        sort: the column to sort by. Nulls come last, and ties are sorted by id.
        descending: the direction of the sort.
        sorts_text: the column is a declared field of text; its first 200 characters count.
        filters: a record must meet all of them.
        after: the sort value and the id of the last record of the page before; None on the first.
        total: count all records that meet the filters.
    """

    context: str
    limit: int = DEFAULT_LIMIT
    sort: str = "id"
    descending: bool = False
    sorts_text: bool = False
    filters: Sequence[RecordFilter] = field(default_factory=tuple)
    after: tuple[Parameter, str] | None = None
    total: bool = False


def parse_list_query(table: Table, query: Mapping[str, Sequence[str]]) -> RecordQuery:
    """Parse the parameters of a list's URL.

    `limit`, `cursor`, `sort` and `total` describe the page. Every other parameter is a filter:
    `field=value`, or `field.operator=value` with eq, ne, gt, gte, lt, lte, in (values separated by
    commas) or like. With eq and ne, `null` means that there is no value. Every other filter leaves
    out records without a value.

    Raises:
        InvalidInput: with `?name` and a sentence for each of the first 20 broken rules.
    """
    errors: list[FieldError] = []
    single: dict[str, str] = {}
    for name, values in query.items():
        if len(values) > 1:
            errors.append(_error(name, "must be given once"))
        single[name] = values[0]
    limit = _limit(single.pop("limit", str(DEFAULT_LIMIT)), errors)
    total = single.pop("total", "false")
    if total not in TRUTH:
        errors.append(_error("total", "must be true or false"))
    cursor = single.pop("cursor", None)
    sort = single.pop("sort", "id")
    column = _sort_column(table, sort.removeprefix("-"), errors)
    filters = [
        found
        for name, value in sorted(single.items())
        if (found := _filter(table, name, value, errors)) is not None
    ]
    if len(filters) > MAX_FILTERS:
        errors.append(_error("", f"A list takes at most {MAX_FILTERS} filters"))
    if errors:
        raise InvalidInput(*errors[:MAX_REPORTED_ERRORS])
    context = json.dumps([table.name, sort, [[f.column, f.operator, f.value] for f in filters]])
    return RecordQuery(
        context=context,
        limit=limit,
        sort=column,
        descending=sort.startswith("-"),
        sorts_text=table.field_types.get(column) in TEXTS,
        filters=filters,
        after=None if cursor is None else _after(cursor, context),
        total=total == "true",
    )


def _limit(text: str, errors: list[FieldError]) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)):
        number = int(text)
        if 1 <= number <= MAX_LIMIT:
            return number
    errors.append(_error("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    return DEFAULT_LIMIT


def _comparable(table: Table) -> dict[str, tuple[str, Comparable]]:
    """The columns that SQL can compare: JSON name to column and kind."""
    found: dict[str, tuple[str, Comparable]] = {
        "id": ("id", "string"),
        "createdAt": ("created_at", "server_time"),
        "updatedAt": ("updated_at", "server_time"),
    }
    for column, name in table.json_names.items():
        kind = table.field_types[column]
        if kind != "json":
            found[name] = (column, kind)
    return found


def _sort_column(table: Table, name: str, errors: list[FieldError]) -> str:
    known = _comparable(table)
    if name not in known:
        ordered = ", ".join(name for name, (_, kind) in known.items() if kind not in WITHOUT_ORDER)
        message = f"must be one of {ordered}, with a - in front for descending order"
        errors.append(_error("sort", message))
        return "id"
    column, kind = known[name]
    if kind in WITHOUT_ORDER:
        errors.append(_error("sort", f"cannot be {name}: {WITHOUT_ORDER[kind]}"))
    return column


def _filter(table: Table, name: str, text: str, errors: list[FieldError]) -> RecordFilter | None:
    field_name, _, operator = name.partition(".")
    known = _comparable(table)
    if field_name not in known:
        errors.append(_error(name, f"is no field to filter by; these are: {', '.join(known)}"))
        return None
    if operator not in OPERATORS or name.endswith("."):
        named = ", ".join(item for item in OPERATORS if item)
        errors.append(_error(name, f"has an operator that is none of {named}"))
        return None
    column, kind = known[field_name]
    if operator in RANGES and kind in WITHOUT_ORDER:
        errors.append(_error(name, f"asks for an order: {WITHOUT_ORDER[kind]}"))
        return None
    try:
        value = _value(kind, operator, text)
        return RecordFilter(column, OPERATORS[operator], value, is_decimal=kind == "decimal")
    except ValueError as error:
        errors.append(_error(name, str(error)))
        return None


def _value(kind: Comparable, operator: str, text: str) -> Parameter:
    if "\x00" in text:
        raise ValueError("must have no NUL in it")
    if operator == "in":
        parts = text.split(",")
        if len(parts) > MAX_IN_VALUES:
            raise ValueError(f"must have at most {MAX_IN_VALUES} values")
        return json.dumps([_scalar(kind, part) for part in parts], ensure_ascii=False)
    if operator == "like":
        if kind not in {"string", "uuid"}:
            raise ValueError("is a pattern, which only fields of text can be compared with")
        if len(text.encode()) > MAX_PATTERN_BYTES:
            raise ValueError(f"must have at most {MAX_PATTERN_BYTES} bytes, as D1 takes no more")
        return text
    if operator in {"", "eq", "ne"} and text == "null":
        return None
    return _scalar(kind, text)


def _scalar(kind: Comparable, text: str) -> Parameter:
    if kind in _NORMAL_FORMS:
        return _NORMAL_FORMS[kind](text)
    if kind == "boolean":
        if text not in TRUTH:
            raise ValueError("must be true or false")
        return TRUTH[text]
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number) or abs(number) > MAX_INTEGER or "_" in text:
        raise ValueError("must be a finite number, at most 2^53 - 1 in size")
    return int(number) if number.is_integer() else number


def _datetime(text: str) -> str:
    try:
        return utc_datetime(text)
    except ValueError as error:
        raise ValueError(f"{error} (a + is %2B in a URL)") from None


def _server_time(text: str) -> str:
    """A time in milliseconds, as the server writes it."""
    return to_iso(datetime.fromisoformat(_datetime(text)))


_NORMAL_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "string": str,
    "uuid": str.lower,
    "date": plain_date,
    "datetime": _datetime,
    "time": plain_time,
    "decimal": without_end_zeros,
    "server_time": _server_time,
}
"""From the value of a filter to the normal form in which the column holds it."""


def _after(cursor: str, context: str) -> tuple[Parameter, str]:
    value, last = decode_cursor(cursor, context, 2)
    if not isinstance(last, str):
        raise InvalidInput(FieldError("?cursor", "is not a cursor of this list"))
    return value, last


def _error(name: str, message: str) -> FieldError:
    return FieldError(f"?{name}" if len(name) <= MAX_POINTER_NAME else "?", message)
