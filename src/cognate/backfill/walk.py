"""Take one step of a backfill: read the next records of its table, and queue jobs for some of them.

A step also reads state rows. If the record of a state row is gone, it queues a job that removes the
record's vectors.

A step may arrive twice, late, or at two consumers at once. Its message has the step's number. The
batch that queues the jobs first moves the backfill on from exactly that number, so a second
consumer queues nothing. A record that is written meanwhile gets its job from its own write.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from cognate.backfill.backfills import STEP_PATIENCE, STEP_PREFIX, send_steps
from cognate.backfill.needs import Selection, needs
from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.events import emit
from cognate.ids import new_id
from cognate.jobs.conditions import JobCondition, RecordIs, TokenOf
from cognate.jobs.queue import Priority, announce
from cognate.ports import Row, Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.messages import BackfillStep
    from cognate.ports import Platform
    from cognate.schema.collections import Collection, Collections

STEP_RECORDS: Final = 100
"""Number of records that one step reads. It reads as many state rows."""

STALE_STEP_RECORDS: Final = 20
"""Number of records that a step of a `stale` backfill reads. It reads their texts too. The consumer
holds all of them in memory, and an answer of D1 has at most 50 MB."""

MAX_WAITING: Final = 1000
"""Most waiting jobs of one organization's backfills. A step adds no job while there are so many, so
a backfill of a table of any size keeps few rows."""

CROWDED_PAUSE_SECONDS: Final = 5
"""Seconds until the next step if too many jobs are waiting."""

SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True)
class _Progress:
    """The result of a step.

    Attributes:
        scanned: number of records that were read.
        to_embed: records to embed or index again.
        to_remove: deleted records whose vectors are to be removed.
        end: the id up to which records and state rows were read; None if there is no such id.
        is_last: True if no records follow.
        pause: seconds until the next step.
    """

    scanned: int = 0
    to_embed: Sequence[EmbeddingRequest] = ()
    to_remove: Sequence[EmbeddingRequest] = ()
    end: str | None = None
    is_last: bool = False
    pause: int = 0


async def take_step(platform: Platform, collections: Collections, message: BackfillStep) -> None:
    """Take one step. Do nothing if it was already taken, or if its backfill has ended.

    Raises:
        DatabaseError: nothing was done; the message must be delivered again.
    """
    collection = collections.get(message.scope)
    if collection is None:
        await _give_up(platform, message)
        return
    [waiting], backfills, states, rows = await platform.database.batch(
        read_step(collection, message)
    )
    if not backfills:
        return
    backfill = backfills[0]
    if waiting["jobs"] >= MAX_WAITING:
        progress = _Progress(pause=CROWDED_PAUSE_SECONDS)
    else:
        states = [row | {"gone": row["gone"] and _reaches(platform, row)} for row in states]
        progress = _progress(collection, backfill, rows, states)
    now = platform.clock.now()
    token = new_id(STEP_PREFIX, now)
    requests = _requests(collection, backfill, progress, token, now)
    moved, *answers = await platform.database.batch(
        [_move(message, progress, token, now), *requests.statements]
    )
    await announce(platform, requests.announced(answers))
    if moved and not progress.is_last:
        await send_steps(platform, moved, progress.pause)
    if moved and progress.is_last:
        emit("backfill.finished", backfill=message.backfill_id, scanned=moved[0]["scanned"])


def _reaches(platform: Platform, state: Row) -> bool:
    """Return False if none of the indexes of a state row has a binding."""
    bindings = json.loads(state["index_bindings"])
    return not bindings or any(name in platform.indexes for name in bindings)


def _progress(
    collection: Collection, backfill: Row, rows: Sequence[Row], states: Sequence[Row]
) -> _Progress:
    """Walk over the records and the state rows together, by id, as far as both were read.

    The walk ends earlier if it has as many jobs as the rate allows in a minute.
    """
    selection, rate = Selection(backfill["selection"]), backfill["rate"]
    ends = [page[-1]["id"] for page in (rows, states) if len(page) == backfill["size"]]
    bound = min(ends, default=None)
    walk = sorted([*rows, *(row for row in states if row["gone"])], key=lambda row: row["id"])
    to_embed: list[EmbeddingRequest] = []
    to_remove: list[EmbeddingRequest] = []
    scanned, end = 0, bound
    for row, following in zip_longest(walk, walk[1:]):
        if bound is not None and row["id"] > bound:
            break
        if row["gone"]:
            to_remove += [] if row["pending"] else [EmbeddingRequest(row["id"])]
        else:
            scanned += 1
            if needs(selection, collection, row):
                to_embed.append(EmbeddingRequest(row["id"], keeps_posted=True))
        # The rate of this minute is used up. The next step reads the other records.
        if len(to_embed) + len(to_remove) == rate and following is not None:
            end = row["id"]
            break
    jobs = len(to_embed) + len(to_remove)
    pause = 0 if rate is None else math.ceil(jobs * SECONDS_PER_MINUTE / rate)
    return _Progress(scanned, to_embed, to_remove, end, is_last=end is None, pause=pause)


def _requests(
    collection: Collection, backfill: Row, progress: _Progress, token: str, now: datetime
) -> EmbeddingRequests:
    """Make the requests of a step. They take effect only if this step moves the backfill on."""
    requests = EmbeddingRequests(backfill["organization_id"], now)
    for records, record in (
        (progress.to_embed, RecordIs.LIVE),
        (progress.to_remove, RecordIs.GONE),
    ):
        if records:
            requests.add(
                collection,
                records,
                source="backfill",
                condition=JobCondition(record, TokenOf.BACKFILL),
                priority=Priority.BACKFILL,
                forced=backfill["selection"] == Selection.ALL,
                token=token,
            )
    return requests


def read_step(collection: Collection, message: BackfillStep) -> list[Statement]:
    """Read what a step needs. The organization is that of the backfill's row.

    Returns:
        Four statements. The first returns (jobs), the number of waiting jobs of backfills. The
        second returns the backfill, if this is its next step. The third returns the next state
        rows, and the fourth the next records. It reads texts only for a backfill of stale records.
    """
    step = (message.backfill_id, message.step, message.scope)
    limits = (STALE_STEP_RECORDS, STEP_RECORDS)
    # A record's text is read only to see whether the record is stale.
    columns = "".join(
        f", CASE b.selection WHEN 'stale' THEN {column} END AS {name}"
        for column, name in (
            ("s.posted_text", "posted_text"),
            *((f'r."{column}"', f'"field_{column}"') for column in collection.columns),
        )
    )
    return [
        Statement(_COUNT_WAITING, (*step, int(Priority.BACKFILL), MAX_WAITING)),
        Statement(_READ_RUNNING, (*step, *limits)),
        Statement(
            "SELECT s.record_id AS id, r.id IS NULL AS gone, s.index_bindings, "  # noqa: S608 - names of the schema
            "EXISTS (SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record "
            "WHERE j.organization_id = b.organization_id AND j.scope = ?3 "
            "AND j.record_id = s.record_id AND +j.status IN ('queued', 'running')) AS pending "
            "FROM cognate_backfills b CROSS JOIN cognate_embeddings s "
            "ON s.organization_id = b.organization_id AND s.scope = ?3 "
            "AND s.record_id > b.after_id "
            f"LEFT JOIN {collection.row_of('s.organization_id', 's.record_id')} "
            "WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running' "
            "ORDER BY s.record_id LIMIT COALESCE(("
            "SELECT CASE b.selection WHEN 'stale' THEN ?4 ELSE ?5 END FROM cognate_backfills b "
            "WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'), 0)",
            (*step, *limits),
        ),
        Statement(
            "SELECT r.id, 0 AS gone, s.content_hash AS stored_content, "  # noqa: S608 - names of the schema
            "s.index_hash AS stored_index, s.changes <> s.changes_seen AS changed, "
            f"{collection.holds_vectors} AS holds, "
            "EXISTS (SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record "
            "WHERE j.organization_id = b.organization_id AND j.scope = ?3 "
            "AND j.record_id = r.id AND +j.status = 'queued') AS queued, "
            "EXISTS (SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record "
            "WHERE j.organization_id = b.organization_id AND j.scope = ?3 "
            "AND j.record_id = r.id AND +j.status = 'running') AS running, "
            "EXISTS (SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record "
            "WHERE j.organization_id = b.organization_id AND j.scope = ?3 "
            "AND j.record_id = r.id AND +j.status = 'failed' AND NOT EXISTS ("
            "SELECT 1 FROM cognate_jobs d INDEXED BY cognate_jobs_by_record "
            "WHERE d.organization_id = j.organization_id AND d.scope = j.scope "
            "AND d.record_id = j.record_id AND +d.status = 'done' AND d.embeds >= j.embeds "
            "AND (d.completed_at, d.id) > (j.completed_at, j.id))) AS failed"
            f'{columns} FROM cognate_backfills b CROSS JOIN "{collection.sql_table}" r '
            "ON r.organization_id = b.organization_id AND r.id > b.after_id "
            "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
            "AND s.scope = ?3 AND s.record_id = r.id "
            "WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'"
            f"{collection.not_deleted} ORDER BY r.id LIMIT COALESCE(("
            "SELECT CASE b.selection WHEN 'stale' THEN ?4 ELSE ?5 END FROM cognate_backfills b "
            "WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'), 0)",
            (*step, *limits),
        ),
    ]


_COUNT_WAITING: Final = """
SELECT COUNT(*) AS jobs FROM (
  SELECT 1 FROM cognate_jobs INDEXED BY cognate_jobs_waiting
  WHERE organization_id = (
      SELECT organization_id FROM cognate_backfills b
      WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running')
    AND completed_at IS NULL AND announced = 0 AND priority = ?4
  LIMIT ?5)
"""

_READ_RUNNING: Final = """
SELECT b.organization_id, b.selection, b.rate,
  CASE b.selection WHEN 'stale' THEN ?4 ELSE ?5 END AS size
FROM cognate_backfills b
WHERE b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'
"""


def _move(message: BackfillStep, progress: _Progress, token: str, now: datetime) -> Statement:
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
            progress.end,
            progress.scanned,
            len(progress.to_embed) + len(progress.to_remove),
            int(progress.is_last),
            to_iso(now),
            to_iso(now + STEP_PATIENCE + timedelta(seconds=progress.pause)),
        ),
    )


async def _give_up(platform: Platform, message: BackfillStep) -> None:
    """Fail a backfill whose table is no longer in the schema."""
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
