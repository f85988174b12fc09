"""Have the messages of unfinished jobs sent again, after the local runtime has ended.

Miniflare keeps queues in memory, so the messages are lost. In production a queue keeps them. The
jobs are made due in the local database, and the next run of the sweeper sends their messages.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_UNFINISHED: Final = (
    ("cognate_jobs", "status IN ('queued', 'running') AND announced > 0"),
    ("cognate_backfills", "status = 'running'"),
)
"""The rows that wait for a message: jobs whose message was sent, and running backfills."""

_DUE: Final = ""
"""Sorts before every ISO 8601 time."""


def make_due(database: Path) -> bool:
    """Make all unfinished jobs and backfills of a database due. Returns whether there are any."""
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        changed = [
            connection.execute(f"UPDATE {table} SET due_at = ? WHERE {condition}", (_DUE,)).rowcount  # noqa: S608 - constants
            for table, condition in _UNFINISHED
        ]
    return any(changed)


def are_due(database: Path) -> bool:
    """Whether the sweeper has not yet sent the messages of all rows that `make_due` changed."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return any(
            connection.execute(
                f"SELECT 1 FROM {table} WHERE {condition} AND due_at = ? LIMIT 1",  # noqa: S608 - constants
                (_DUE,),
            ).fetchone()
            for table, condition in _UNFINISHED
        )
