"""Find organizations whose jobs wait and are let out by nobody.

Usually a batch that finishes lets out the next jobs of its organizations, so an organization with a
message in the queue needs no help. The sweeper helps those that have none.

Each run looks at a bounded number of organizations and remembers where it stopped, so that every
organization has its turn however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Row

MAX_LOOKED_AT: Final = 500
"""Organizations with waiting jobs that one run looks at: two index steps each."""

MAX_HELPED: Final = 20
"""Organizations whose jobs one run lets out: up to 500 messages each."""


def look_statements(now: datetime) -> list[Statement]:
    """Look at the next organizations that have waiting jobs.

    Returns:
        Two statements. The first returns (cursor) where an earlier run has stopped; the second
        (organization_id, stalled) of organizations behind it, in order.
    """
    first = (
        "SELECT MIN(organization_id) FROM cognate_jobs INDEXED BY cognate_jobs_waiting "
        "WHERE status = 'queued' AND announced = 0"
    )
    cursor = "SELECT value AS cursor FROM cognate_cursors WHERE name = 'waiting'"
    return [
        Statement(cursor),
        Statement(
            f"WITH RECURSIVE waiting (organization_id, number) AS (SELECT ({first} "  # noqa: S608 - constants
            f"AND organization_id > COALESCE(({cursor}), '')), 1 UNION ALL "
            f"SELECT ({first} AND organization_id > waiting.organization_id), number + 1 "
            "FROM waiting WHERE waiting.organization_id IS NOT NULL AND number < ?2) "
            "SELECT organization_id, NOT EXISTS (SELECT 1 FROM cognate_jobs f "
            "INDEXED BY cognate_jobs_announced "
            "WHERE f.organization_id = waiting.organization_id AND f.status = 'queued' "
            "AND f.announced = 1 AND f.attempts = 0 AND f.due_at > ?1) AS stalled "
            "FROM waiting WHERE organization_id IS NOT NULL ORDER BY number",
            (to_iso(now), MAX_LOOKED_AT),
        ),
    ]


def chosen(looked_at: Sequence[Row]) -> tuple[list[str], str]:
    """The organizations to help, and the cursor for the next run; empty starts from the first."""
    stalled = [row["organization_id"] for row in looked_at if row["stalled"]]
    if len(stalled) > MAX_HELPED:
        return stalled[:MAX_HELPED], stalled[MAX_HELPED - 1]
    end = looked_at[-1]["organization_id"] if len(looked_at) == MAX_LOOKED_AT else ""
    return stalled, end


def remember_statements(before: Sequence[Row], cursor: str) -> list[Statement]:
    """Keep the cursor, where it is another one than before."""
    if cursor == (before[0]["cursor"] if before else ""):
        return []
    sql = "INSERT OR REPLACE INTO cognate_cursors (name, value) VALUES ('waiting', ?1)"
    return [Statement(sql, (cursor,))]
