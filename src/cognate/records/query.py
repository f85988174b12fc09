"""Which records a list wants, from the parameters of a URL."""

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
"""Conditions of one list."""

MAX_IN_VALUES: Final = 100
"""Values of one `in`."""

MAX_PATTERN_BYTES: Final = 50
"""Length of a LIKE pattern in D1."""

Comparable = FieldType | Literal["server_time"]
"""Kinds of columns that SQL can compare; `server_time` is one that the server writes."""

WITHOUT_ORDER: Final[Mapping[str, str]] = {
    "decimal": "a decimal number is kept exactly, as text, whose order is not that of numbers; "
    "keep a whole number of its smallest unit beside it for that",
    "time": "times of day with different offsets have no order; keep a number of seconds beside "
    "it for that",
}
"""Kinds that can be compared for equality only, and why."""

RANGES: Final = frozenset({"gt", "gte", "lt", "lte"})

TEXTS: Final = frozenset({"string", "uuid", "date", "datetime"})
"""Kinds of declared fields whose columns hold texts that have an order."""

SORTED_CHARACTERS: Final = 200
"""Characters of a text that count when a list is sorted by it: a cursor holds them in a URL."""

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
    """One condition on a column; `value` of `in` is a JSON array.

    Attributes:
        is_decimal: whether zeros at the end of a stored number make no difference.
    """

    column: str
    operator: str
    value: Parameter
    is_decimal: bool = False


@dataclass(frozen=True)
class RecordQuery:
    """One page of a list.

    Attributes:
        sort: the column it is sorted by, of a text by its first 200 characters; nulls come last,
            and ties are sorted by id.
        sorts_text: whether it is a declared field of text.
        after: the sort value and the id of the last record of the page before; None on the first.
        context: what ties a cursor to this list: its sort and its filters.
        total: whether all records that meet the filters are counted.
    """

    context: str
    limit: int = DEFAULT_LIMIT
    sort: str = "id"
    descending: bool = False
    sorts_text: bool = False
    filters: Sequence[RecordFilter] = field(default_factory=tuple)
    after: tuple[Parameter, str] | None = None
    total: bool = False


def parse_query(table: Table, query: Mapping[str, Sequence[str]]) -> RecordQuery:
    """The list that a URL asks for.

    `limit`, `cursor`, `sort` and `total` mean the page; all else is a filter: `field=value`, or
    `field.operator=value` with eq, ne, gt, gte, lt, lte, in (values with commas between) or like.
    The value `null` of eq and ne is no value; else a record without one meets no condition.

    Raises:
        InvalidInput: with `?name` and a sentence for each broken rule, the first 20 of them.
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
    """JSON name to column and kind, of all that SQL can compare."""
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
    """A time as the server writes it: in milliseconds."""
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
"""From the value of a filter to the form in which a column of text has it."""


def _after(cursor: str, context: str) -> tuple[Parameter, str]:
    value, last = decode_cursor(cursor, context, 2)
    if not isinstance(last, str):
        raise InvalidInput(FieldError("?cursor", "is not a cursor of this list"))
    return value, last


def _error(name: str, message: str) -> FieldError:
    return FieldError(f"?{name}" if len(name) <= MAX_POINTER_NAME else "?", message)
