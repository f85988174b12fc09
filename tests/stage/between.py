"""A database that lets a test act between two calls, as a second caller would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cognate.ports import Database, Row, Statement


@dataclass
class Between:
    """A database that calls `happens` once, after the first batch with these words in a statement.

    Attributes:
        happened: whether it did.
    """

    database: Database
    words: str
    happens: Callable[[], Awaitable[None]]
    happened: bool = field(default=False, init=False)

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        found = await self.database.batch(statements)
        if not self.happened and any(self.words in item.sql for item in statements):
            self.happened = True
            await self.happens()
        return found
