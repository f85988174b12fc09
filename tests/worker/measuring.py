"""Note, inside of the Worker, where each of its statements is made and how many rows it reads."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from pyodide.ffi import to_js

from cognate.cloudflare.database import D1Database
from cognate.ports import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Database, Platform, Row

MEASUREMENTS: Final[list[dict[str, Any]]] = []
"""One for each statement that was run since the last `drain`."""

_UNKNOWN: Final = "unknown"


def note_sites() -> None:
    """Let each statement remember the module and the line that made it."""
    make = Statement.__init__

    @wraps(make)
    def make_and_note(self: Statement, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        frame = sys._getframe(1)  # noqa: SLF001 - who makes it
        # The class is frozen for everybody else.
        object.__setattr__(self, "site", f"{frame.f_globals['__name__']}:{frame.f_lineno}")

    setattr(Statement, "__init__", make_and_note)  # noqa: B010 - the one thing replaced


def measured(platform: Platform) -> Platform:
    """The platform, with every statement measured."""
    return replace(
        platform,
        database=_measured(platform.database),
        auth_database=_measured(platform.auth_database),
    )


def _measured(database: Database) -> Database:
    assert isinstance(database, D1Database)
    return MeasuredDatabase(database._binding)  # noqa: SLF001 - the one thing that knows the rows


def drain() -> list[dict[str, Any]]:
    """The measurements so far, which are forgotten here."""
    found = list(MEASUREMENTS)
    MEASUREMENTS.clear()
    return found


@dataclass(frozen=True)
class MeasuredDatabase:
    """`ports.Database` over a D1 binding."""

    binding: JavaScriptObject

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        metering = MeteringBinding(self.binding)
        database: Database = D1Database(metering)
        answers = await database.batch(statements)
        for statement, meta, rows in zip(statements, metering.metas, answers, strict=True):
            MEASUREMENTS.append(
                {
                    "site": getattr(statement, "site", _UNKNOWN),
                    "sql": statement.sql,
                    "parameters": statement.parameters,
                    "read": meta["rows_read"],
                    "written": meta["rows_written"],
                    "found": len(rows),
                }
            )
        return answers


class MeteringBinding:
    """A D1 binding that keeps what D1 says of each statement of its one batch."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Take the binding."""
        self._binding = binding
        self.metas: list[dict[str, Any]] = []
        self.prepare = binding.prepare

    async def batch(self, prepared: JavaScriptObject) -> JavaScriptObject:
        """Run the batch."""
        from js import JSON  # noqa: PLC0415

        answers = await self._binding.batch(prepared)
        metas = JSON.stringify(to_js([answer.meta for answer in answers]))
        self.metas = json.loads(metas)
        return answers
