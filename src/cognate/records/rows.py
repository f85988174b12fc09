"""The SQL over the rows of a user's table: how they are read, and what tells two states apart.

Names come from validated definitions, values are bound. Fields are selected as `field_…`, so that
no name of a user's can meet one of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.schema import Table

OVERHEAD_BYTES: Final = 30
"""Of a field in JSON beside its name and its text: quotes, a colon, a number of 20 digits."""

GROUP: Final = 10
"""Columns that are joined at once: a table has up to 100, and an expression a depth of 100."""


def answered(table: Table, row: str = "r") -> str:
    """The columns of a record, each once: what a list answers."""
    fields = "".join(f', {row}."{field}" AS "field_{field}"' for field in table.fields)
    return f"{row}.id AS id, {row}.created_at AS created_at, {row}.updated_at AS updated_at{fields}"


def selected(table: Table, row: str = "r") -> str:
    """The columns of a record with its version: what an ETag or a change needs."""
    return f"{answered(table, row)}, {version(table, row)} AS version"


def size(table: Table, row: str = "r") -> str:
    """An SQL number: about how many bytes a record has in an answer."""
    lengths = [
        f'COALESCE(length(CAST({row}."{field}" AS BLOB)), 0)'
        for field, kind in table.field_types.items()
        if kind not in {"number", "boolean"}
    ]
    names = sum(len(name) + OVERHEAD_BYTES for name in table.json_names.values())
    groups = [lengths[start : start + GROUP] for start in range(0, len(lengths), GROUP)]
    return " + ".join([str(names + OVERHEAD_BYTES), *(f"({' + '.join(item)})" for item in groups)])


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
