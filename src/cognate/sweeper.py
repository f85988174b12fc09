"""Cron task: finish what was left undone, and remove what is old.

It sends lost messages again, recovers jobs whose handler died, queues the removal of vectors whose
record was deleted by SQL, lets out waiting jobs, resumes backfills that lost a step, and removes
old jobs, backfills, idempotency keys and texts. Each run does a bounded amount of work. Two runs at
once share it: a job that one has taken is no longer due for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.backfill import backfills
from cognate.embedding.index_progress import follow_indexes
from cognate.events import emit
from cognate.jobs.pruning import prune_statements
from cognate.jobs.queue import announce, release_statement
from cognate.jobs.removals import removal_statements
from cognate.jobs.stalled import chosen, look_statements, remember_statements
from cognate.ports import Statement
from cognate.texts import idempotency
from cognate.texts.posted import delete_expired, expired_statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from datetime import datetime

    from cognate.ports import Platform, Row
    from cognate.schema import Cognate
    from cognate.settings import Retention

MAX_JOBS_PER_RUN: Final = 500
"""Overdue jobs that are announced in one run: five calls of the queue."""

FIRST_PATIENCE_MINUTES: Final = 2
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
        expired: posted texts that were deleted.
    """

    announced: int
    pruned: int
    resumed: int = 0
    expired: int = 0


async def sweep(platform: Platform, app: Cognate, retention: Retention) -> Swept:
    """Do one run.

    Raises:
        DatabaseError: D1 failed; the next run does what this one did not.
    """
    try:
        return await _tidy(platform, app, retention)
    finally:
        # How far an index is does not depend on the rest, nor the rest on it.
        await follow_indexes(platform)


async def _tidy(platform: Platform, app: Cognate, retention: Retention) -> Swept:
    now = platform.clock.now()
    scopes = [collection.scope for collection in app.collections]
    *_, unreplayable, finished, overdue, resumed, cursor, waiting = await platform.database.batch(
        [
            *_take_back(now),
            *removal_statements(now),
            idempotency.prune_statement(now),
            backfills.prune_statement(now - retention.jobs),
            *prune_statements(now - retention.jobs, scopes),
            _overdue(now),
            backfills.resume_statement(now),
            *look_statements(now),
        ]
    )
    released = await _let_out(platform, cursor, waiting)
    await announce(platform, [*overdue, *released])
    await backfills.send_steps(platform, resumed)
    swept = Swept(
        announced=len(overdue) + len(released),
        pruned=len(unreplayable) + len(finished),
        resumed=len(resumed),
        expired=await _delete_expired(platform, retention),
    )
    if swept != Swept(0, 0):
        emit(
            "sweep.finished",
            announced=swept.announced,
            pruned=swept.pruned,
            resumed=swept.resumed,
            expired=swept.expired,
        )
    return swept


async def _let_out(platform: Platform, cursor: list[Row], waiting: list[Row]) -> list[Row]:
    """Let out jobs of organizations that have no message in the queue."""
    now = platform.clock.now()
    organizations, end = chosen(waiting)
    statements = [
        *remember_statements(cursor, end),
        *(release_statement(organization, now) for organization in organizations),
    ]
    if not statements:
        return []
    return [row for rows in await platform.database.batch(statements) for row in rows]


async def _delete_expired(platform: Platform, retention: Retention) -> int:
    if retention.texts is None:
        return 0
    before = platform.clock.now() - retention.texts
    [expired] = await platform.database.batch([expired_statement(before)])
    return await delete_expired(platform, expired)


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
        "UPDATE cognate_jobs SET announced = 2, due_at = strftime('%Y-%m-%dT%H:%M:%fZ', "  # noqa: S608 - constants
        "julianday(?1) + MAX(?3 / 1440.0, julianday(?1) - julianday(created_at))) "
        f"WHERE status = 'queued' AND id IN ({OVERDUE}) RETURNING id, scope",
        (to_iso(now), MAX_JOBS_PER_RUN, FIRST_PATIENCE_MINUTES),
    )
