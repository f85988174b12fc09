"""Somebody who writes claims by SQL, behind the API, at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from cognate.ports import Row


@dataclass(frozen=True)
class SqlWrite:
    """What one statement did.

    Attributes:
        ends_posted_text: whether a text that was posted for the record no longer counts.
    """

    organization_id: str
    record_id: str
    kind: str
    ends_posted_text: bool


@dataclass
class SqlAuthor:
    """One statement at a time.

    Attributes:
        random: decides about everything.
        rows: runs one statement.
        organizations: whose claims are written.
        records: the ids that they have.
        text: makes a text of an organization.
    """

    random: Random
    rows: Callable[..., Awaitable[list[Row]]]
    organizations: Sequence[str]
    records: Sequence[str]
    text: Callable[[str], str]

    async def act(self) -> SqlWrite:
        """Insert, replace, change or delete a claim; most of what is possible has no effect."""
        owner, record_id = self.random.choice(self.organizations), self.random.choice(self.records)
        key, text = (owner, record_id), self.text(owner)
        before = await self.rows(
            "SELECT content FROM claims WHERE organization_id = ?1 AND id = ?2", *key
        )
        where = "WHERE organization_id = ?1 AND id = ?2"
        kind = self.random.choice(["insert", "replace", "update", "metadata", "delete"])
        match kind:
            case "insert" | "replace":
                verb = "INSERT OR IGNORE" if kind == "insert" else "INSERT OR REPLACE"
                sql = f"{verb} INTO claims (organization_id, id, content) VALUES (?1, ?2, ?3)"
                await self.rows(sql, *key, text)
                ends = kind == "replace" or not before
            case "update":
                await self.rows(f"UPDATE claims SET content = ?3 {where}", *key, text)  # noqa: S608 - of this test
                ends = bool(before) and before[0]["content"] != text
            case "metadata":
                story = self.random.choice(["one", "two"])
                await self.rows(f"UPDATE claims SET story_id = ?3 {where}", *key, story)  # noqa: S608 - of this test
                ends = False
            case _:
                await self.rows(f"DELETE FROM claims {where}", *key)  # noqa: S608 - of this test
                ends = True
        return SqlWrite(owner, record_id, kind, ends)
