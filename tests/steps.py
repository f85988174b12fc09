"""Count the steps of SQLite's virtual machine: what a call costs, whatever the machine's speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from sqlite3 import Connection

    from cognate.ports import Database

GRAIN: Final = 10
"""Steps that are counted together."""


async def steps_of(database: Database, call: Callable[[], Awaitable[Any]]) -> int:
    """The steps that a local database takes for what a call asks of it."""
    connection: Connection = getattr(database, "_connection")  # noqa: B009 - of the local adapter
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += GRAIN
        return 0

    connection.set_progress_handler(count, GRAIN)
    try:
        await call()
    finally:
        connection.set_progress_handler(None, GRAIN)
    return counted
