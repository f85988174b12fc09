"""The SQL over the rows of a user's table: how they are read, and what tells two states apart.

Names come from validated definitions, values are bound. Fields are selected as `field_…`, so that
no name of a user's can meet one of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.definitions import Table

GROUP: Final = 10
"""Columns that are joined at once: a table has up to 100, and an expression a depth of 100."""


def selected(table: Table, row: str = "r") -> str:
    """The columns of a record, with its version: all that an answer or a change needs."""
    fields = "".join(f', {row}."{field}" AS "field_{field}"' for field in table.fields)
    return (
        f"{row}.id AS id, {row}.created_at AS created_at, {row}.updated_at AS updated_at{fields}, "
        f"{version(table, row)} AS version"
    )


def version(table: Table, row: str) -> str:
    """An SQL text of all that a row holds but its vectors: equal where nothing has changed."""
    columns = ("id", "created_at", "updated_at", *table.fields)
    quoted = [f'quote({row}."{column}")' for column in columns]
    groups = [quoted[start : start + GROUP] for start in range(0, len(quoted), GROUP)]
    return _joined([f"({_joined(group)})" for group in groups])


def live(table: Table, row: str = "r") -> str:
    """An SQL condition, opened by AND: the row was not deleted softly."""
    return f" AND {row}.deleted_at IS NULL" if table.soft_delete else ""


def _joined(parts: Sequence[str]) -> str:
    return " || ',' || ".join(parts)
