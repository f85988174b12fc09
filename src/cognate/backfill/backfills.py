"""Start, read, list and cancel backfills, and resume those whose step message was lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cognate.backfill.needs import Selection
from cognate.errors import BackfillRunning, NotFound, QueueError
from cognate.events import emit
from cognate.ids import new_id
from cognate.jobs.job import JobError
from cognate.jobs.messages import backfill_step
from cognate.pagination import Page, decode_cursor, encode_cursor
from cognate.ports import Row, Statement
from cognate.times import from_iso, to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Parameter, Platform
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection

BACKFILL_PREFIX: Final = "backfill"
STEP_PREFIX: Final = "step"

STEP_PATIENCE: Final = timedelta(minutes=2)
"""Time after which the sweeper sends the message of a step again. A second message does no harm."""

MAX_RESUMED_PER_RUN: Final = 100
"""Most backfills whose step the sweeper sends again in one run. It takes one call of the queue."""

MAX_PRUNED_PER_RUN: Final = 100
"""Most ended backfills that the sweeper removes in one run."""

FIRST_PAGE: Final = ("9999", "")
"""A position in the list of backfills, before all of them: a time, and an id."""


class BackfillStatus(StrEnum):
    """The state of a backfill. All states except `running` are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Backfill:
    """One walk over a table, as the API returns it.

    Attributes:
        rate: most jobs a minute; None for no limit.
        step: number of the next step.
        scanned: number of records that were read so far.
        queued: number of jobs that were queued so far. Some may still wait when the walk is done.
    """

    id: str
    table: str
    selection: Selection
    status: BackfillStatus
    rate: int | None
    step: int
    scanned: int
    queued: int
    error_code: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None

    @property
    def error(self) -> JobError | None:
        """Return the error that the backfill failed with, or None."""
        if self.error_code is None:
            return None
        return JobError(self.error_code, self.error_message or "")


async def start_backfill(
    platform: Platform,
    organization_id: OrganizationId,
    collection: Collection,
    selection: Selection,
    rate: int | None,
) -> Backfill:
    """Start a backfill of a table. If the same one is already running, return that one.

    Raises:
        BackfillRunning: a backfill with another selection or rate is running.
        MissingTable: the table's migration was not applied.
        DatabaseError: nothing was started.
    """
    now = platform.clock.now()
    backfill_id, moment = new_id(BACKFILL_PREFIX, now), to_iso(now)
    *_, [row] = await platform.database.batch(
        [
            # Fail at once if the table is missing.
            Statement(f'SELECT 1 FROM "{collection.sql_table}" WHERE FALSE'),  # noqa: S608 - a name of the schema
            Statement(
                "INSERT OR IGNORE INTO cognate_backfills (id, organization_id, scope, selection, "
                "status, rate, token, due_at, created_at, updated_at) "
                "VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6, ?7, ?8, ?8)",
                (
                    backfill_id,
                    organization_id,
                    collection.scope,
                    selection,
                    rate,
                    new_id(STEP_PREFIX, now),
                    to_iso(now + STEP_PATIENCE),
                    moment,
                ),
            ),
            Statement(
                "SELECT * FROM cognate_backfills "
                "WHERE organization_id = ?1 AND scope = ?2 AND status = 'running'",
                (organization_id, collection.scope),
            ),
        ]
    )
    backfill = backfill_of(row)
    if backfill.id == backfill_id:
        await send_steps(platform, [row])
    elif (backfill.selection, backfill.rate) != (selection, rate):
        raise BackfillRunning(
            f"The backfill {backfill.id} of this table is running with other options; wait for "
            "its end or cancel it."
        )
    return backfill


async def find_backfill(
    database: Database, organization_id: OrganizationId, backfill_id: str
) -> Backfill:
    """Return one backfill of the organization.

    Raises:
        NotFound: the organization has no such backfill.
        DatabaseError: D1 failed.
    """
    [rows] = await database.batch([_find(organization_id, backfill_id)])
    return _found(rows)


async def cancel_backfill(
    platform: Platform, organization_id: OrganizationId, backfill_id: str
) -> Backfill:
    """Cancel a backfill. The jobs that it queued stay. A backfill that has ended stays as it is.

    Raises:
        NotFound: the organization has no such backfill.
        DatabaseError: D1 failed.
    """
    cancel = Statement(
        "UPDATE cognate_backfills SET status = 'cancelled', updated_at = ?3, completed_at = ?3 "
        "WHERE organization_id = ?1 AND id = ?2 AND status = 'running'",
        (organization_id, backfill_id, to_iso(platform.clock.now())),
    )
    _, rows = await platform.database.batch([cancel, _find(organization_id, backfill_id)])
    return _found(rows)


async def list_backfills(
    database: Database, organization_id: OrganizationId, *, limit: int, cursor: str | None
) -> Page[Backfill]:
    """Return a page of the organization's backfills, the newest first.

    Raises:
        InvalidInput: the cursor belongs to another list.
        DatabaseError: D1 failed.
    """
    parameters: list[Parameter] = [organization_id, limit + 1]
    parameters += FIRST_PAGE if cursor is None else decode_cursor(cursor, "backfills", 2)
    sql = (
        "SELECT * FROM cognate_backfills WHERE organization_id = ?1 "
        "AND (created_at, id) < (?3, ?4) ORDER BY created_at DESC, id DESC LIMIT ?2"
    )
    [rows] = await database.batch([Statement(sql, tuple(parameters))])
    found = [backfill_of(row) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = encode_cursor([to_iso(found[-1].created_at), found[-1].id], "backfills")
    return Page(found, limit, more)


async def send_steps(platform: Platform, rows: Sequence[Row], delay_seconds: int = 0) -> None:
    """Send the message of the next step of each backfill, which are rows of (id, scope, step).

    If the queue does not accept the messages, this logs an event and raises no error: the backfills
    are in D1, and the sweeper sends the messages when they are due.
    """
    if not rows:
        return
    messages = [backfill_step(row["id"], row["scope"], row["step"]) for row in rows]
    try:
        await platform.queue.send(messages, delay_seconds=delay_seconds)
    except QueueError as error:
        emit("queue.send_failed", backfills=len(rows), error=error.code)


def resume_statement(now: datetime) -> Statement:
    """Return (id, scope, step) of backfills whose step is overdue, and move their due time on."""
    return Statement(
        "UPDATE cognate_backfills SET due_at = ?2 WHERE id IN (SELECT id FROM cognate_backfills "
        "WHERE status = 'running' AND due_at < ?1 ORDER BY due_at LIMIT ?3) "
        "RETURNING id, scope, step",
        (to_iso(now), to_iso(now + STEP_PATIENCE), MAX_RESUMED_PER_RUN),
    )


def prune_backfills(before: datetime) -> Statement:
    """Delete backfills that ended before this time."""
    return Statement(
        "DELETE FROM cognate_backfills WHERE id IN (SELECT id FROM cognate_backfills "
        "WHERE completed_at < ?1 ORDER BY completed_at LIMIT ?2)",
        (to_iso(before), MAX_PRUNED_PER_RUN),
    )


def backfill_of(row: Row) -> Backfill:
    """Make a backfill of a row of `cognate_backfills`."""
    return Backfill(
        id=row["id"],
        table=row["scope"],
        selection=Selection(row["selection"]),
        status=BackfillStatus(row["status"]),
        rate=row["rate"],
        step=row["step"],
        scanned=row["scanned"],
        queued=row["queued"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        created_at=from_iso(row["created_at"]),
        updated_at=from_iso(row["updated_at"]),
        completed_at=from_iso(row["completed_at"]) if row["completed_at"] else None,
    )


def _find(organization_id: OrganizationId, backfill_id: str) -> Statement:
    sql = "SELECT * FROM cognate_backfills WHERE organization_id = ?1 AND id = ?2"
    return Statement(sql, (organization_id, backfill_id))


def _found(rows: list[Row]) -> Backfill:
    if not rows:
        raise NotFound("backfill", "There is no such backfill in your organization.")
    return backfill_of(rows[0])
