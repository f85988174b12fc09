"""How many calls of D1 something took: what the log says of a batch, and a test holds it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row, Statement


class CountingDatabase:
    """`ports.Database` over another one, with a count.

    Attributes:
        calls: round trips so far; a batch of statements is one.
    """

    def __init__(self, database: Database) -> None:
        """Wrap a database."""
        self._database = database
        self.calls = 0

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.calls += 1
        return await self._database.batch(statements)
