"""One step of a backfill: look at the next records of its table, and queue those that need it.

It walks over state rows too: where the record is gone, it queues the removal of its vectors.

A step may arrive twice, late, or from two consumers at once. Its message names its number, and the
batch that queues the jobs first moves the backfill on from exactly that number: whoever comes
second moves nothing and queues nothing. Records that are written meanwhile queue themselves.
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
from cognate.jobs.job import resolved_by
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
"""Records that one step reads, and as many state rows."""

STALE_STEP_RECORDS: Final = 20
"""Records that a step of a `stale` backfill reads: with their texts, which a consumer holds at
once, and D1 answers at most 50 MB."""

MAX_WAITING: Final = 1000
"""Jobs of one organization's backfills that wait to be let out; while there are more, none are
added. So a table of any size costs no more rows than these."""

CROWDED_PAUSE_SECONDS: Final = 5
"""Until the next look, while enough jobs are waiting."""

SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True)
class _Progress:
    """What a step did.

    Attributes:
        scanned: number of records that were looked at.
        wanted: records to embed or index again.
        gone: records that were deleted, and whose vectors are to be removed.
        end: up to which id records and states were looked at; None for no id.
        is_last: nothing is left behind these.
        pause: seconds until the next step.
    """

    scanned: int = 0
    wanted: Sequence[EmbeddingRequest] = ()
    gone: Sequence[EmbeddingRequest] = ()
    end: str | None = None
    is_last: bool = False
    pause: int = 0


async def take_step(platform: Platform, collections: Collections, message: BackfillStep) -> None:
    """Do one step; nothing where it was done already, or its backfill has ended.

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
    """Whether vectors of a state row can be removed: not where the only index has no binding."""
    bindings = json.loads(state["index_bindings"])
    return not bindings or any(name in platform.indexes for name in bindings)


def _progress(
    collection: Collection, backfill: Row, rows: Sequence[Row], states: Sequence[Row]
) -> _Progress:
    """Walk over records and states together, by id, as far as both were read.

    It ends sooner where the step has as many jobs as its rate allows in a minute.
    """
    selection, rate = Selection(backfill["selection"]), backfill["rate"]
    ends = [page[-1]["id"] for page in (rows, states) if len(page) == backfill["size"]]
    bound = min(ends, default=None)
    walk = sorted([*rows, *(row for row in states if row["gone"])], key=lambda row: row["id"])
    wanted: list[EmbeddingRequest] = []
    gone: list[EmbeddingRequest] = []
    scanned, end = 0, bound
    for row, following in zip_longest(walk, walk[1:]):
        if bound is not None and row["id"] > bound:
            break
        if row["gone"]:
            gone += [] if row["pending"] else [EmbeddingRequest(row["id"])]
        else:
            scanned += 1
            if needs(selection, collection, row):
                wanted.append(EmbeddingRequest(row["id"], keeps_posted=True))
        # No minute has more jobs than its share; the next step looks at the others.
        if len(wanted) + len(gone) == rate and following is not None:
            end = row["id"]
            break
    jobs = len(wanted) + len(gone)
    pause = 0 if rate is None else math.ceil(jobs * SECONDS_PER_MINUTE / rate)
    return _Progress(scanned, wanted, gone, end, is_last=end is None, pause=pause)


def _requests(
    collection: Collection, backfill: Row, progress: _Progress, token: str, now: datetime
) -> EmbeddingRequests:
    """Ask for the records of a step, where it is this one that moved the backfill on."""
    requests = EmbeddingRequests(backfill["organization_id"], now)
    for records, record in ((progress.wanted, RecordIs.LIVE), (progress.gone, RecordIs.GONE)):
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
    """How many jobs wait, the backfill if this is its next step, its next records and states.

    The organization is the backfill's own, as D1 has it. Only a backfill of stale records reads
    their texts.
    """
    step = (message.backfill_id, message.step, message.scope)
    running = "b.id = ?1 AND b.step = ?2 AND b.scope = ?3 AND b.status = 'running'"
    size = f"CASE b.selection WHEN 'stale' THEN {STALE_STEP_RECORDS} ELSE {STEP_RECORDS} END"
    limit = f"LIMIT COALESCE((SELECT {size} FROM cognate_backfills b WHERE {running}), 0)"  # noqa: S608 - constants
    # Only whether a record is stale takes a look at what it says.
    columns = "".join(
        f", CASE b.selection WHEN 'stale' THEN {column} END AS {name}"
        for column, name in (
            ("s.posted_text", "posted_text"),
            *((f'r."{column}"', f'"field_{column}"') for column in collection.columns),
        )
    )

    def job_of(record: str) -> str:
        return (
            "SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record "  # noqa: S608 - constants
            "WHERE j.organization_id = b.organization_id "
            f"AND j.scope = ?3 AND j.record_id = {record} AND +j.status"
        )

    return [
        Statement(
            "SELECT COUNT(*) AS jobs FROM (SELECT 1 "  # noqa: S608 - constants
            "FROM cognate_jobs INDEXED BY cognate_jobs_waiting WHERE organization_id = ("
            f"SELECT organization_id FROM cognate_backfills b WHERE {running}) "
            "AND completed_at IS NULL AND announced = 0 "
            f"AND priority = {int(Priority.BACKFILL)} LIMIT {MAX_WAITING})",
            step,
        ),
        Statement(
            f"SELECT b.organization_id, b.selection, b.rate, {size} AS size "  # noqa: S608 - constants
            f"FROM cognate_backfills b WHERE {running}",
            step,
        ),
        Statement(
            "SELECT s.record_id AS id, r.id IS NULL AS gone, s.index_bindings, "  # noqa: S608 - names of the schema
            f"EXISTS ({job_of('s.record_id')} IN ('queued', 'running')) AS pending "
            "FROM cognate_backfills b CROSS JOIN cognate_embeddings s "
            "ON s.organization_id = b.organization_id AND s.scope = ?3 "
            "AND s.record_id > b.after_id "
            f"LEFT JOIN {collection.row_of('s.organization_id', 's.record_id')} "
            f"WHERE {running} ORDER BY s.record_id {limit}",
            step,
        ),
        Statement(
            "SELECT r.id, 0 AS gone, s.content_hash AS stored_content, "  # noqa: S608 - names of the schema
            "s.index_hash AS stored_index, s.changes <> s.changes_seen AS changed, "
            f"{collection.holds_vectors} AS holds, "
            f"EXISTS ({job_of('r.id')} = 'queued') AS queued, "
            f"EXISTS ({job_of('r.id')} = 'running') AS running, "
            f"EXISTS ({job_of('r.id')} = 'failed' AND NOT EXISTS ({resolved_by('j')})) AS failed"
            f'{columns} FROM cognate_backfills b CROSS JOIN "{collection.sql_table}" r '
            "ON r.organization_id = b.organization_id AND r.id > b.after_id "
            "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
            "AND s.scope = ?3 AND s.record_id = r.id "
            f"WHERE {running}{collection.not_deleted} ORDER BY r.id {limit}",
            step,
        ),
    ]


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
            len(progress.wanted) + len(progress.gone),
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
