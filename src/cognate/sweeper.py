"""Cron task: recover jobs and backfills that have stopped, and delete old rows.

It sends lost messages again, takes back jobs whose handler died, queues the removal of vectors
whose record was deleted by SQL, announces waiting jobs, resumes backfills that lost a step, and
deletes old jobs, backfills, idempotency keys and texts. Each run does a bounded amount of work. Two
concurrent runs share the work: a job that one has taken is no longer due for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.backfill import backfills
from cognate.embedding.index_progress import follow_indexes
from cognate.embedding.revisions import doubt_records
from cognate.events import emit
from cognate.jobs.overdue import (
    announce_again_statement,
    chosen,
    look_statements,
    remember_statements,
    take_back_statements,
)
from cognate.jobs.pruning import prune_statements
from cognate.jobs.queue import announce, release_statement
from cognate.jobs.removals import removal_statement
from cognate.texts import idempotency
from cognate.texts.posted import delete_expired, expired_statement

if TYPE_CHECKING:
    from cognate.ports import Platform, Row
    from cognate.schema import Cognate
    from cognate.settings import Retention


@dataclass(frozen=True)
class Swept:
    """The result of one run.

    Attributes:
        announced: number of jobs whose message was sent.
        pruned: number of old jobs that were deleted.
        resumed: number of backfills whose step was sent again.
        expired: number of posted texts that were deleted.
    """

    announced: int
    pruned: int
    resumed: int = 0
    expired: int = 0


async def sweep(platform: Platform, app: Cognate, retention: Retention) -> Swept:
    """Do one run.

    Raises:
        DatabaseError: D1 failed. The next run does the rest.
    """
    try:
        return await _tidy(platform, app, retention)
    finally:
        # The progress of the indexes is read even if the other work failed.
        await follow_indexes(platform)


async def _tidy(platform: Platform, app: Cognate, retention: Retention) -> Swept:
    now = platform.clock.now()
    scopes = [collection.scope for collection in app.collections]
    *_, unreplayable, finished, resumed, cursor, busy, overdue = await platform.database.batch(
        [
            removal_statement(now),
            idempotency.prune_keys(now),
            backfills.prune_backfills(now - retention.jobs),
            *prune_statements(now - retention.jobs, scopes),
            backfills.resume_statement(now),
            *look_statements(now),
        ]
    )
    released = await _let_out(platform, cursor, busy, overdue)
    await announce(platform, released)
    await backfills.send_steps(platform, resumed)
    swept = Swept(
        announced=len(released),
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


async def _let_out(
    platform: Platform, cursor: list[Row], busy: list[Row], overdue: list[Row]
) -> list[Row]:
    """Announce overdue jobs, and waiting jobs of organizations without a message in the queue."""
    now = platform.clock.now()
    organizations, end = chosen(busy)
    lapsed = [row for row in overdue if row["status"] == "running"]
    statements = [
        *remember_statements(cursor, end),
        *take_back_statements(lapsed, now),
        *doubt_records(lapsed),
    ]
    silent = len(statements)
    if overdue:
        statements.append(announce_again_statement(overdue, now))
    statements += [release_statement(organization, now) for organization in organizations]
    if not statements:
        return []
    answers = await platform.database.batch(statements)
    return [row for rows in answers[silent:] for row in rows]


async def _delete_expired(platform: Platform, retention: Retention) -> int:
    if retention.texts is None:
        return 0
    before = platform.clock.now() - retention.texts
    [expired] = await platform.database.batch([expired_statement(before)])
    return await delete_expired(platform, expired)
