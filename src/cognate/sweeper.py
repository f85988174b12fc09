"""What the clock does every minute: nothing that was written down is forgotten.

A job whose message was lost is announced again, one whose handler died is taken back, and old
finished ones are removed. Each run does a bounded amount of work, and two at once share it: a job
that one run has taken is no longer due for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.enqueue import announce
from cognate.events import emit
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from datetime import timedelta

    from cognate.ports import Platform

MAX_JOBS_PER_RUN: Final = 500
"""Jobs that are announced in one run: five calls of the queue."""

MAX_PRUNED_PER_RUN: Final = 1000
"""Rows that are removed in one run."""

ANOTHER_QUEUED: Final = (
    "SELECT 1 FROM cognate_jobs q WHERE q.organization_id = cognate_jobs.organization_id "
    "AND q.scope = cognate_jobs.scope AND q.record_id = cognate_jobs.record_id "
    "AND q.status = 'queued' AND q.id <> cognate_jobs.id"
)
OVERDUE: Final = (
    "SELECT id FROM cognate_jobs WHERE status IN ('queued', 'running') AND due_at < ?1 "
    "ORDER BY due_at LIMIT ?2"
)


@dataclass(frozen=True)
class Swept:
    """What one run did.

    Attributes:
        announced: jobs whose message was sent again.
        pruned: jobs that were removed.
    """

    announced: int
    pruned: int


async def sweep(platform: Platform, retention: timedelta) -> Swept:
    """Do one run.

    Args:
        platform: the ports.
        retention: how long finished jobs are kept. Failed ones are kept until they are replayed.

    Raises:
        DatabaseError: D1 failed; the next run does what this one did not.
    """
    now = platform.clock.now()
    moment, limit = to_iso(now), MAX_JOBS_PER_RUN
    *_, announced, pruned = await platform.database.batch(
        [
            # A handler that died may have written to the index: whoever is next must write again.
            Statement(
                "UPDATE cognate_jobs SET forced = 1 FROM (SELECT organization_id AS o, scope AS s, "
                "record_id AS r FROM cognate_jobs WHERE status = 'running' AND due_at < ?1 "
                "LIMIT ?2) WHERE status = 'queued' AND organization_id = o AND scope = s "
                "AND record_id = r",
                (moment, limit),
            ),
            # OR IGNORE: of two dead jobs of one record the second waits for the next run.
            Statement(
                "UPDATE OR IGNORE cognate_jobs SET "  # noqa: S608 - constants
                f"status = CASE WHEN EXISTS ({ANOTHER_QUEUED}) "
                "THEN 'superseded' ELSE 'queued' END, "
                f"completed_at = CASE WHEN EXISTS ({ANOTHER_QUEUED}) THEN ?1 END, updated_at = ?1 "
                f"WHERE status = 'running' AND id IN ({OVERDUE})",
                (moment, limit),
            ),
            # Each time the pause doubles: a queue with a long backlog is not flooded.
            Statement(
                "UPDATE cognate_jobs SET due_at = strftime('%Y-%m-%dT%H:%M:%fZ', julianday(?1) "  # noqa: S608 - constants
                "+ MAX(?3 / 1440.0, julianday(?1) - julianday(created_at))) "
                f"WHERE status = 'queued' AND id IN ({OVERDUE}) RETURNING id, scope",
                (moment, limit, 10),
            ),
            Statement(
                "DELETE FROM cognate_jobs WHERE id IN (SELECT id FROM cognate_jobs "
                "WHERE completed_at < ?1 AND (status IN ('done', 'superseded') "
                "OR organization_id IS NULL) ORDER BY completed_at LIMIT ?2) RETURNING id",
                (to_iso(now - retention), MAX_PRUNED_PER_RUN),
            ),
        ]
    )
    await announce(platform, [(row["id"], row["scope"]) for row in announced])
    swept = Swept(len(announced), len(pruned))
    if swept.announced or swept.pruned:
        emit("sweep.finished", announced=swept.announced, pruned=swept.pruned)
    return swept
