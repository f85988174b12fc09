"""Which records a list wants, from the parameters of a URL."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from cognate.errors import FieldError, InvalidInput
from cognate.pagination import decode_cursor
from cognate.records.codec import MAX_INTEGER
from cognate.times import to_iso
from cognate.validation import MAX_POINTER_NAME, MAX_REPORTED_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.definitions import Table
    from cognate.ports import Parameter

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100
MAX_FILTERS: Final = 20
"""Conditions of one list."""

MAX_IN_VALUES: Final = 100
"""Values of one `in`."""

MAX_PATTERN_BYTES: Final = 50
"""Length of a LIKE pattern in D1."""

Comparable = Literal["string", "number", "boolean", "text", "time"]
"""Kinds of columns that SQL can compare; `time` is one that the server writes."""

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
    """One condition on a column; `value` of `in` is a JSON array."""

    column: str
    operator: str
    value: Parameter


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
        sorts_text=table.kinds.get(column) in {"string", "text"},
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
        "createdAt": ("created_at", "time"),
        "updatedAt": ("updated_at", "time"),
    }
    for column, name in table.json_names.items():
        kind = table.kinds[column]
        if kind != "json":
            found[name] = (column, kind)
    return found


def _sort_column(table: Table, name: str, errors: list[FieldError]) -> str:
    known = _comparable(table)
    if name in known:
        return known[name][0]
    errors.append(
        _error("sort", f"must be one of {', '.join(known)}, with a - in front for descending order")
    )
    return "id"


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
    try:
        return RecordFilter(column, OPERATORS[operator], _value(kind, operator, text))
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
        if kind not in {"string", "text"}:
            raise ValueError("is a pattern, which only fields of text can be compared with")
        if len(text.encode()) > MAX_PATTERN_BYTES:
            raise ValueError(f"must have at most {MAX_PATTERN_BYTES} bytes, as D1 takes no more")
        return text
    if operator in {"", "eq", "ne"} and text == "null":
        return None
    return _scalar(kind, text)


def _scalar(kind: Comparable, text: str) -> Parameter:
    if kind in {"string", "text"}:
        return text
    if kind == "time":
        return _time(text)
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


def _time(text: str) -> str:
    """A time as the server writes it, so that it can be compared as text."""
    try:
        moment = datetime.fromisoformat(text)
        return to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a time in ISO 8601, such as 2026-11-17T09:30:00Z (a + is %2B in a URL)"
        ) from None


def _after(cursor: str, context: str) -> tuple[Parameter, str]:
    value, last = decode_cursor(cursor, context, 2)
    if not isinstance(last, str):
        raise InvalidInput(FieldError("?cursor", "is not a cursor of this list"))
    return value, last


def _error(name: str, message: str) -> FieldError:
    return FieldError(f"?{name}" if len(name) <= MAX_POINTER_NAME else "?", message)
