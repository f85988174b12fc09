"""Which records a list wants, from the parameters of a URL, and the SQL that finds them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cognate.errors import FieldError, InvalidInput
from cognate.pagination import decode_cursor
from cognate.records.codec import MAX_INTEGER
from cognate.validation import MAX_POINTER_NAME, MAX_REPORTED_ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.definitions import Table
    from cognate.definitions.scalars import Kind
    from cognate.ports import Parameter, Row

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100
MAX_FILTERS: Final = 20
"""Conditions of one list."""

MAX_IN_VALUES: Final = 100
"""Values of one `in`."""

MAX_PATTERN_BYTES: Final = 50
"""Length of a LIKE pattern in D1."""

SERVER_FIELDS: Final[Mapping[str, str]] = {
    "id": "id",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
"""What can be sorted by beside declared fields: JSON name to column."""

OPERATORS: Final[Mapping[str, str]] = {
    "": "=",
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
        sort: the column it is sorted by; nulls come last, and ties are sorted by id.
        after: the sort value and the id of the last record of the page before; None on the first.
        context: what ties a cursor to this list: its sort and its filters.
        total: whether all records that meet the filters are counted.
    """

    context: str
    limit: int = DEFAULT_LIMIT
    sort: str = "id"
    descending: bool = False
    filters: Sequence[RecordFilter] = field(default_factory=tuple)
    after: tuple[Parameter, str] | None = None
    total: bool = False


def parse_query(table: Table, query: Mapping[str, Sequence[str]]) -> RecordQuery:
    """The list that a URL asks for.

    `limit`, `cursor`, `sort` and `total` mean the page; all else is a filter: `field=value`, or
    `field.operator=value` with ne, gt, gte, lt, lte, in (values with commas between) or like.

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
        filters=filters,
        after=None if cursor is None else _after(cursor, context),
        total=total == "true",
    )


def where(query: RecordQuery, parameters: list[Parameter]) -> str:
    """The SQL of the filters on a row `r`, each opened by AND; their values join `parameters`."""
    return "".join(_condition(item, parameters) for item in query.filters)


def after(query: RecordQuery, parameters: list[Parameter]) -> str:
    """The SQL that leaves out the pages before, opened by AND; empty on the first one."""
    if query.after is None:
        return ""
    value, last = query.after
    parameters.append(last)
    behind = f"r.id {'<' if query.descending else '>'} ?{len(parameters)}"
    if query.sort == "id":
        return f" AND {behind}"
    column = f'r."{query.sort}"'
    if value is None:
        return f" AND {column} IS NULL AND {behind}"
    parameters.append(value)
    number = len(parameters)
    beyond = f"{column} {'<' if query.descending else '>'} ?{number}"
    return f" AND ({beyond} OR ({column} = ?{number} AND {behind}) OR {column} IS NULL)"


def order(query: RecordQuery) -> str:
    """The SQL of the order: nulls last, ties by id."""
    direction = "DESC" if query.descending else "ASC"
    if query.sort == "id":
        return f"r.id {direction}"
    column = f'r."{query.sort}"'
    return f"{column} IS NULL, {column} {direction}, r.id {direction}"


def cursor_values(query: RecordQuery, row: Row) -> list[Parameter]:
    """What a cursor behind this row holds: its sort value and its id."""
    name = query.sort if query.sort in SERVER_FIELDS.values() else f"field_{query.sort}"
    return [row[name], row["id"]]


def _condition(item: RecordFilter, parameters: list[Parameter]) -> str:
    column = f'r."{item.column}"'
    if item.value is None:
        return f" AND {column} IS {'NOT ' if item.operator == '<>' else ''}NULL"
    parameters.append(item.value)
    number = len(parameters)
    if item.operator == "IN":
        return f" AND {column} IN (SELECT json_each.value FROM json_each(?{number}))"  # noqa: S608 - a name of the schema
    return f" AND {column} {item.operator} ?{number}"


def _limit(text: str, errors: list[FieldError]) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_LIMIT:
        return int(text)
    errors.append(_error("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
    return DEFAULT_LIMIT


def _comparable(table: Table) -> dict[str, tuple[str, Kind]]:
    """JSON name to column and kind, of all that SQL can compare."""
    found: dict[str, tuple[str, Kind]] = {
        name: (column, "text") for name, column in SERVER_FIELDS.items()
    }
    for column, name in table.json_names.items():
        if table.kinds[column] != "json":
            found[name] = (column, table.kinds[column])
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


def _value(kind: Kind, operator: str, text: str) -> Parameter:
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
    if operator in {"", "ne"} and text == "null":
        return None
    return _scalar(kind, text)


def _scalar(kind: Kind, text: str) -> Parameter:
    if kind in {"string", "text"}:
        return text
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


def _after(cursor: str, context: str) -> tuple[Parameter, str]:
    value, last = decode_cursor(cursor, context, 2)
    if not isinstance(last, str):
        raise InvalidInput(FieldError("?cursor", "is not a cursor of this list"))
    return value, last


def _error(name: str, message: str) -> FieldError:
    return FieldError(f"?{name}" if len(name) <= MAX_POINTER_NAME else "?", message)
