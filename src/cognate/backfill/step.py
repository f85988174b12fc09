"""One step of a backfill: look at the next records of its table, and queue those that need it.

A step may arrive twice, late, or from two consumers at once. Its message names its number, and the
batch that queues the jobs first moves the backfill on from exactly that number: whoever comes
second moves nothing and queues nothing. Records that are written meanwhile queue themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.backfill.needs import Selection, needs
from cognate.backfill.rows import STEP_PATIENCE, STEP_PREFIX, send_steps
from cognate.events import emit
from cognate.ids import new_id
from cognate.jobs import resolved_by
from cognate.ports import Row, Statement
from cognate.queueing import Priority, Wanted, announce, queue_statements, release_statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.collections import Collection, Collections
    from cognate.messages import BackfillStep
    from cognate.ports import Platform

STEP_RECORDS: Final = 100
"""Records that one step looks at."""

STALE_STEP_RECORDS: Final = 20
"""Records that a step of a `stale` backfill looks at: it reads their texts, which a consumer holds
at once, and D1 answers at most 50 MB."""

MAX_WAITING: Final = 1000
"""Jobs of one organization's backfills that wait to be let out; while there are more, none are
added. So a table of any size costs no more rows than these."""

CROWDED_PAUSE_SECONDS: Final = 5
"""Until the next look, while enough jobs are waiting."""

SECONDS_PER_MINUTE: Final = 60

MOVED: Final = (
    "EXISTS (SELECT 1 FROM cognate_backfills b WHERE b.organization_id = ?1 "
    "AND b.token = value ->> 'token')"
)
"""An SQL condition on `value ->> 'token'`: the last step of a backfill has this token."""


@dataclass(frozen=True)
class _Progress:
    """What a step did.

    Attributes:
        rows: the records that it has finished with.
        is_last: no records are left behind these.
        pause: seconds until the next step.
    """

    rows: Sequence[Row]
    wanted: Sequence[Wanted]
    is_last: bool
    pause: int


async def take_step(platform: Platform, collections: Collections, message: BackfillStep) -> None:
    """Do one step; nothing where it was done already, or its backfill has ended.

    Raises:
        DatabaseError: nothing was done; the message must be delivered again.
    """
    collection = collections.get(message.scope)
    if collection is None:
        await _give_up(platform, message)
        return
    [waiting], backfills, rows = await platform.database.batch(read_statements(collection, message))
    if not backfills:
        return
    backfill = backfills[0]
    progress = _progress(collection, backfill, rows, crowded=waiting["jobs"] >= MAX_WAITING)
    now = platform.clock.now()
    token = new_id(STEP_PREFIX, now)
    organization_id = backfill["organization_id"]
    queue = queue_statements(
        collection,
        organization_id,
        progress.wanted,
        source="backfill",
        now=now,
        condition=f"{collection.live_record} AND {MOVED}",
        priority=Priority.BACKFILL,
        forced=backfill["selection"] == Selection.ALL,
        token=token,
    )
    moved, *_, released = await platform.database.batch(
        [
            _move(message, progress, token, now),
            *(queue if progress.wanted else []),
            release_statement(organization_id, now),
        ]
    )
    await announce(platform, released)
    if moved and not progress.is_last:
        await send_steps(platform, moved, progress.pause)
    if moved and progress.is_last:
        emit("backfill.finished", backfill=message.backfill_id, scanned=moved[0]["scanned"])


def _progress(
    collection: Collection, backfill: Row, rows: Sequence[Row], *, crowded: bool
) -> _Progress:
    if crowded:
        return _Progress([], [], is_last=False, pause=CROWDED_PAUSE_SECONDS)
    selection, rate = Selection(backfill["selection"]), backfill["rate"]
    wanted: list[Wanted] = []
    seen = 0
    for row in rows:
        # No minute has more jobs than its share; the next step looks at the others.
        if len(wanted) == rate:
            break
        seen += 1
        if needs(selection, collection, row):
            wanted.append(Wanted(row["id"], is_written=False))
    pause = 0 if rate is None else math.ceil(len(wanted) * SECONDS_PER_MINUTE / rate)
    is_last = seen == len(rows) < backfill["size"]
    return _Progress(rows[:seen], wanted, is_last, pause)


def read_statements(collection: Collection, message: BackfillStep) -> list[Statement]:
    """How many jobs wait, the backfill if this is its next step, and its next records.

    The organization is the backfill's own, as D1 has it.
    """
    step = (message.backfill_id, message.step, message.scope)
    running = "b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'"
    size = f"CASE b.selection WHEN 'stale' THEN {STALE_STEP_RECORDS} ELSE {STEP_RECORDS} END"
    # Only whether a record is stale takes a look at what it says.
    columns = "".join(
        f", CASE b.selection WHEN 'stale' THEN {column} END AS {name}"
        for column, name in (
            ("s.posted_text", "posted_text"),
            *((f'r."{column}"', f'"{column}"') for column in collection.columns),
        )
    )
    of_record = (
        "SELECT 1 FROM cognate_jobs j WHERE j.organization_id = r.organization_id "
        "AND j.scope = ?3 AND j.record_id = r.id AND +j.status"
    )
    return [
        Statement(
            "SELECT COUNT(*) AS jobs FROM (SELECT 1 "  # noqa: S608 - constants
            "FROM cognate_jobs INDEXED BY cognate_jobs_waiting WHERE organization_id = ("
            f"SELECT organization_id FROM cognate_backfills b WHERE {running}) "
            "AND status = 'queued' AND announced = 0 "
            f"AND priority = {int(Priority.BACKFILL)} LIMIT {MAX_WAITING})",
            step,
        ),
        Statement(
            f"SELECT b.organization_id, b.selection, b.rate, {size} AS size "  # noqa: S608 - constants
            f"FROM cognate_backfills b WHERE {running}",
            step,
        ),
        Statement(
            "SELECT r.id, s.content_hash AS stored_content, s.index_hash AS stored_index, "  # noqa: S608 - names of the schema
            "s.changes <> s.changes_seen AS changed, "
            f"EXISTS ({of_record} = 'queued') AS queued, "
            f"EXISTS ({of_record} = 'running') AS running, "
            f"EXISTS ({of_record} = 'failed' AND NOT EXISTS ({resolved_by('j')})) AS failed"
            f'{columns} FROM cognate_backfills b CROSS JOIN "{collection.sql_table}" r '
            "ON r.organization_id = b.organization_id AND r.id > b.after_id "
            "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
            "AND s.scope = ?3 AND s.record_id = r.id "
            f"WHERE {running}{collection.not_deleted} ORDER BY r.id "
            f"LIMIT COALESCE((SELECT {size} FROM cognate_backfills b WHERE {running}), 0)",
            step,
        ),
    ]


def _move(message: BackfillStep, progress: _Progress, token: str, now: datetime) -> Statement:
    last = progress.rows[-1]["id"] if progress.rows else None
    return Statement(
        "UPDATE cognate_backfills SET step = step + 1, token = ?4, "
        "after_id = COALESCE(?5, after_id), scanned = scanned + ?6, queued = queued + ?7, "
        "status = CASE WHEN ?8 THEN 'done' ELSE status END, "
        "completed_at = CASE WHEN ?8 THEN ?9 END, updated_at = ?9, "
        "due_at = ?10 "
        "WHERE id = ?1 AND step = ?2 AND scope = ?3 AND status = 'running' "
        "RETURNING id, scope, step, scanned",
        (
            message.backfill_id,
            message.step,
            message.scope,
            token,
            last,
            len(progress.rows),
            len(progress.wanted),
            int(progress.is_last),
            to_iso(now),
            to_iso(now + STEP_PATIENCE + timedelta(seconds=progress.pause)),
        ),
    )


async def _give_up(platform: Platform, message: BackfillStep) -> None:
    """End a backfill of a table that the schema does not have any more."""
    failed = Statement(
        "UPDATE cognate_backfills SET status = 'failed', error_code = 'TABLE_UNKNOWN', "
        "error_message = ?4, updated_at = ?5, completed_at = ?5 "
        "WHERE id = ?1 AND step = ?2 AND scope = ?3 AND status = 'running' RETURNING id",
        (
            message.backfill_id,
            message.step,
            message.scope,
            "The table is no longer in the schema, or no longer embeds anything.",
            to_iso(platform.clock.now()),
        ),
    )
    [rows] = await platform.database.batch([failed])
    if rows:
        emit("backfill.failed", backfill=message.backfill_id, code="TABLE_UNKNOWN")
