"""Have the messages of unfinished jobs sent again, after the runtime that held them has ended.

Miniflare keeps queues in memory. In production a queue keeps its messages, so this is for a laptop
only: it makes the jobs due in the local database, and the next run of the sweeper announces them.
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
"""What waits for a message: jobs that were announced, and the next steps of backfills."""

_DUE: Final = ""
"""Before every time, as ISO 8601 text."""


def make_due(database: Path) -> bool:
    """Make all unfinished jobs and backfills of a local database due; whether there are any."""
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        changed = [
            connection.execute(f"UPDATE {table} SET due_at = ? WHERE {condition}", (_DUE,)).rowcount  # noqa: S608 - constants
            for table, condition in _UNFINISHED
        ]
    return any(changed)


def are_due(database: Path) -> bool:
    """Whether the sweeper has not yet taken all that `make_due` made due."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return any(
            connection.execute(
                f"SELECT 1 FROM {table} WHERE {condition} AND due_at = ? LIMIT 1",  # noqa: S608 - constants
                (_DUE,),
            ).fetchone()
            for table, condition in _UNFINISHED
        )
