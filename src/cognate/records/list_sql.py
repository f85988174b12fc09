"""The SQL of a list: its conditions, its order, and where a page begins.

Names come from validated definitions, values are bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.records.normal_forms import sql_without_end_zeros
from cognate.records.query import SORTED_CHARACTERS
from cognate.schema.names import SERVER_COLUMNS

if TYPE_CHECKING:
    from cognate.ports import Parameter, Row
    from cognate.records.query import RecordFilter, RecordQuery


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
    column = _sorted_by(query)
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
    column = _sorted_by(query)
    return f"{column} IS NULL, {column} {direction}, r.id {direction}"


def cursor_values(query: RecordQuery, row: Row) -> list[Parameter]:
    """What a cursor behind this row holds: its sort value and its id."""
    name = query.sort if query.sort in SERVER_COLUMNS else f"field_{query.sort}"
    value: Parameter = row[name]
    return [value[:SORTED_CHARACTERS] if isinstance(value, str) else value, row["id"]]


def _sorted_by(query: RecordQuery) -> str:
    column = f'r."{query.sort}"'
    return f"substr({column}, 1, {SORTED_CHARACTERS})" if query.sorts_text else column


def _condition(item: RecordFilter, parameters: list[Parameter]) -> str:
    column = f'r."{item.column}"'
    if item.value is None:
        return f" AND {column} IS {'NOT ' if item.operator == '<>' else ''}NULL"
    parameters.append(item.value)
    number = len(parameters)
    if item.is_decimal:
        column = sql_without_end_zeros(column)
    if item.operator == "IN":
        return f" AND {column} IN (SELECT json_each.value FROM json_each(?{number}))"  # noqa: S608 - a name of the schema
    return f" AND {column} {item.operator} ?{number}"
