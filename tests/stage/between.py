"""A database between whose calls something happens: what two callers can do to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cognate.ports import Database, Row, Statement


@dataclass
class Between:
    """Once, something happens right behind the first call that has a statement with these words.

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
