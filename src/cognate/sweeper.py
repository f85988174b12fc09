"""What the clock does every minute: nothing that was written down is forgotten.

A job whose message was lost is announced again, one whose handler died is taken back, one that
waits for room in its organization's window is let out, a backfill that lost its step goes on, and
what is old is removed: finished jobs and backfills, idempotency keys. Each run does a bounded
amount of work, and two at once share it: a job that one run has taken is no longer due for the
other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate import idempotency
from cognate.backfill import rows as backfills
from cognate.events import emit
from cognate.jobs import resolved_by
from cognate.ports import Statement
from cognate.queueing import WINDOW, announce, release_statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cognate.ports import Platform

MAX_JOBS_PER_RUN: Final = 500
"""Overdue jobs that are announced in one run: five calls of the queue."""

MAX_ORGANIZATIONS_PER_RUN: Final = 20
"""Organizations whose window is looked at in one run. Usually the consumer keeps windows full; this
is for those whose last messages were lost."""

MAX_PRUNED_PER_RUN: Final = 1000
"""Rows that are removed in one run."""

FIRST_PATIENCE_MINUTES: Final = 10
"""Until a job that was announced again is overdue again; then as long as it is old."""

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
        announced: jobs whose message was sent, again or for the first time.
        pruned: jobs that were removed.
        resumed: backfills whose next step was sent again.
    """

    announced: int
    pruned: int
    resumed: int = 0


async def sweep(platform: Platform, retention: timedelta) -> Swept:
    """Do one run.

    Args:
        platform: the ports.
        retention: how long finished jobs and backfills are kept. Failed jobs are kept until they
            are replayed, or until a later job of their record has been done for as long.

    Raises:
        DatabaseError: D1 failed; the next run does what this one did not.
    """
    now = platform.clock.now()
    *_, pruned, overdue, resumed, stalled = await platform.database.batch(
        [
            *_take_back(now),
            idempotency.prune_statement(now),
            backfills.prune_statement(now - retention),
            *_prune(now - retention),
            _overdue(now),
            backfills.resume_statement(now),
            _stalled(),
        ]
    )
    released = []
    if stalled:
        statements = [release_statement(row["organization_id"], now) for row in stalled]
        released = [row for rows in await platform.database.batch(statements) for row in rows]
    announced = [*overdue, *released]
    await announce(platform, announced)
    await backfills.send_steps(platform, resumed)
    swept = Swept(len(announced), len(pruned), len(resumed))
    if swept.announced or swept.pruned or swept.resumed:
        emit(
            "sweep.finished",
            announced=swept.announced,
            pruned=swept.pruned,
            resumed=swept.resumed,
        )
    return swept


def _take_back(now: datetime) -> list[Statement]:
    """Queue again what was started and not finished within its lease."""
    parameters = (to_iso(now), MAX_JOBS_PER_RUN)
    return [
        # A handler that died may have written to the index: whoever is next must write again.
        Statement(
            "UPDATE cognate_jobs INDEXED BY cognate_jobs_one_queued_per_record SET forced = 1 "
            "WHERE status = 'queued' AND (organization_id, scope, record_id) IN ("
            "SELECT organization_id, scope, record_id FROM cognate_jobs "
            "WHERE status IN ('queued', 'running') AND +status = 'running' AND due_at < ?1 "
            "ORDER BY due_at LIMIT ?2)",
            parameters,
        ),
        Statement(
            "UPDATE cognate_embeddings SET index_hash = NULL "
            "WHERE (organization_id, scope, record_id) IN ("
            "SELECT organization_id, scope, record_id FROM cognate_jobs "
            "WHERE status IN ('queued', 'running') AND +status = 'running' AND due_at < ?1 "
            "ORDER BY due_at LIMIT ?2)",
            parameters,
        ),
        # OR IGNORE: of two dead jobs of one record the second waits for the next run.
        Statement(
            "UPDATE OR IGNORE cognate_jobs SET "  # noqa: S608 - constants
            f"status = CASE WHEN EXISTS ({ANOTHER_QUEUED}) THEN 'superseded' ELSE 'queued' END, "
            f"completed_at = CASE WHEN EXISTS ({ANOTHER_QUEUED}) THEN ?1 END, updated_at = ?1 "
            f"WHERE status = 'running' AND id IN ({OVERDUE})",
            parameters,
        ),
    ]


def _overdue(now: datetime) -> Statement:
    """Announce what is overdue; each time the pause doubles, so a long backlog is not flooded."""
    return Statement(
        "UPDATE cognate_jobs SET announced = 1, due_at = strftime('%Y-%m-%dT%H:%M:%fZ', "  # noqa: S608 - constants
        "julianday(?1) + MAX(?3 / 1440.0, julianday(?1) - julianday(created_at))) "
        f"WHERE status = 'queued' AND id IN ({OVERDUE}) RETURNING id, scope",
        (to_iso(now), MAX_JOBS_PER_RUN, FIRST_PATIENCE_MINUTES),
    )


def _prune(before: datetime) -> list[Statement]:
    """Remove old jobs; the last statement returns those that went well."""
    old = (
        "SELECT id FROM cognate_jobs WHERE completed_at < ?1 AND status IN ('done', 'superseded') "
        "ORDER BY completed_at LIMIT ?2"
    )
    parameters = (to_iso(before), MAX_PRUNED_PER_RUN)
    return [
        # Together with the failed ones that it made up for, lest they seem the last word.
        Statement(
            "DELETE FROM cognate_jobs AS f WHERE f.status = 'failed' "  # noqa: S608 - constants
            "AND (f.organization_id, f.scope, f.record_id) IN (SELECT organization_id, scope, "
            f"record_id FROM cognate_jobs WHERE id IN ({old})) "
            f"AND EXISTS ({resolved_by('f')} AND d.id IN ({old}))",
            parameters,
        ),
        Statement(
            "DELETE FROM cognate_jobs WHERE id IN (SELECT id FROM cognate_jobs "
            "INDEXED BY cognate_jobs_of_nobody WHERE organization_id IS NULL "
            "AND completed_at < ?1 ORDER BY completed_at LIMIT ?2)",
            parameters,
        ),
        Statement(f"DELETE FROM cognate_jobs WHERE id IN ({old}) RETURNING id", parameters),  # noqa: S608 - constants
    ]


def _stalled() -> Statement:
    """Organizations with jobs that wait to be let out, one index step each."""
    first = (
        "SELECT MIN(organization_id) FROM cognate_jobs WHERE status = 'queued' AND announced = 0"
    )
    return Statement(
        f"WITH RECURSIVE waiting (organization_id) AS ({first} UNION ALL "  # noqa: S608 - constants
        f"SELECT ({first} AND organization_id > waiting.organization_id) FROM waiting "
        "WHERE waiting.organization_id IS NOT NULL) "
        "SELECT organization_id FROM waiting WHERE organization_id IS NOT NULL AND ("
        # Whose window is full is let out by the consumer, and would only take another's place.
        "SELECT COUNT(*) FROM cognate_jobs f INDEXED BY cognate_jobs_announced "
        "WHERE f.organization_id = waiting.organization_id AND f.status = 'queued' "
        "AND f.announced = 1 AND f.attempts = 0) < ?2 LIMIT ?1",
        (MAX_ORGANIZATIONS_PER_RUN, WINDOW),
    )
