"""Dismiss failed jobs on request.

A dismissed job is final: it is not tried again, and it is removed after the retention of finished
jobs. Its record counts as what it is without that job: missing, stale or embedded. A text that was
posted is given up with its job: one without a table is deleted if it was never embedded, because
nothing else refers to it; one for a record no longer stands in place of what the record says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.errors import JobNotFailed
from cognate.jobs.job import JobStatus, find_job, resolved_by
from cognate.jobs.queue import announce, release_statement
from cognate.models import MODELS
from cognate.ports import Statement
from cognate.schema.collections import TEXTS_PREFIX
from cognate.texts.posted import delete_statements
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.job import Job
    from cognate.ports import Parameter, Platform, Row
    from cognate.principal import OrganizationId

MAX_DISMISSED: Final = 1000
"""Jobs that one call dismisses; the answer says how many remain."""

ABANDONED: Final = (
    "EXISTS (SELECT 1 FROM cognate_embeddings e WHERE e.organization_id = ?1 AND e.scope = ?2 "
    "AND e.record_id = json_each.value ->> 'record' AND e.embedded_at IS NULL) "
    "AND NOT EXISTS (SELECT 1 FROM cognate_jobs o WHERE o.organization_id = ?1 AND o.scope = ?2 "
    "AND o.record_id = json_each.value ->> 'record' AND +o.source <> 'delete' "
    "AND +o.status IN ('queued', 'running', 'failed'))"
)
"""An SQL condition on `value ->> 'record'`: the text was never embedded, and nothing embeds it."""


@dataclass(frozen=True)
class Dismissed:
    """What one call did.

    Attributes:
        dismissed: failed jobs that are dismissed now.
        remaining: failed jobs that the same call would still find.
    """

    dismissed: int
    remaining: int


async def dismiss_job(platform: Platform, organization_id: OrganizationId, job_id: str) -> Job:
    """Dismiss one failed job; one that is dismissed already stays so.

    Raises:
        NotFound: it does not exist, or is another organization's; the two look the same.
        JobNotFailed: it has not failed.
        DatabaseError: nothing was changed.
    """
    chosen = "f.organization_id = ?1 AND f.id = ?2 AND +f.status = 'failed'"
    rows = await _failed(platform, chosen, (organization_id, job_id))
    if rows:
        await _dismiss(platform, organization_id, rows)
    job = await find_job(platform.database, organization_id, job_id)
    if job.status is not JobStatus.DISMISSED:
        raise JobNotFailed("Only a failed job can be dismissed; this one has not failed.")
    return job


async def dismiss_jobs(
    platform: Platform,
    organization_id: OrganizationId,
    *,
    scope: str | None = None,
    code: str | None = None,
) -> Dismissed:
    """Dismiss the organization's failed jobs, at most 1,000 of them, the oldest first.

    Raises:
        DatabaseError: nothing was changed.
    """
    conditions = ["f.organization_id = ?1 AND f.status = 'failed'"]
    parameters: list[Parameter] = [organization_id]
    for column, value in (("scope", scope), ("error_code", code)):
        if value is not None:
            parameters.append(value)
            conditions.append(f"f.{column} = ?{len(parameters)}")
    chosen = " AND ".join(conditions)
    rows = await _failed(platform, chosen, tuple(parameters))
    if not rows:
        return Dismissed(0, 0)
    remaining = Statement(
        f"SELECT COUNT(*) AS jobs FROM cognate_jobs f WHERE {chosen}",  # noqa: S608 - constants
        tuple(parameters),
    )
    dismissed, [left] = await _dismiss(platform, organization_id, rows, remaining)
    return Dismissed(len(dismissed), left["jobs"])


async def _failed(platform: Platform, chosen: str, parameters: tuple[Parameter, ...]) -> list[Row]:
    """The failed jobs `f` that an SQL condition chooses, the oldest first."""
    sql = (
        "SELECT f.id, f.scope, f.record_id FROM cognate_jobs f "  # noqa: S608 - constants
        f"WHERE {chosen} ORDER BY f.created_at, f.id LIMIT {MAX_DISMISSED}"
    )
    [rows] = await platform.database.batch([Statement(sql, parameters)])
    return rows


async def _dismiss(
    platform: Platform,
    organization_id: OrganizationId,
    rows: Sequence[Row],
    *afterwards: Statement,
) -> list[list[Row]]:
    """Dismiss these jobs.

    Returns:
        The rows of those that were still failed, and of each statement that is run afterwards.
    """
    now = platform.clock.now()
    texts = _delete_abandoned(organization_id, rows, now)
    _, dismissed, *others = await platform.database.batch(
        [
            *_dismiss_statements(organization_id, [row["id"] for row in rows], now),
            *texts,
            release_statement(organization_id, now),
            *afterwards,
        ]
    )
    await announce(platform, others[len(texts)])
    return [dismissed, *others[len(texts) + 1 :]]


def _dismiss_statements(
    organization_id: OrganizationId, job_ids: Sequence[str], now: datetime
) -> list[Statement]:
    """Two statements; the second returns the id of each job that was still failed."""
    ids = (organization_id, json.dumps(job_ids))
    failed = "f.id IN (SELECT value FROM json_each(?2)) AND +f.organization_id = ?1"
    return [
        # The vectors may be those of an earlier text: whether they are is for a job to find out.
        Statement(
            "UPDATE cognate_embeddings SET posted_text = NULL, changes = changes + 1 "  # noqa: S608 - constants
            "WHERE organization_id = ?1 AND posted_text IS NOT NULL "
            "AND (scope, record_id) IN (SELECT f.scope, f.record_id FROM cognate_jobs f "
            f"WHERE {failed} AND +f.status = 'failed' AND f.source IN ('api', 'message') "
            f"AND NOT EXISTS ({resolved_by('f')}) AND NOT EXISTS (SELECT 1 FROM cognate_jobs o "
            "WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id = f.record_id "
            "AND +o.status IN ('queued', 'running')))",
            ids,
        ),
        Statement(
            "UPDATE cognate_jobs AS f SET status = 'dismissed', updated_at = ?3, "  # noqa: S608 - constants
            f"completed_at = ?3 WHERE {failed} AND +f.status = 'failed' RETURNING id",
            (*ids, to_iso(now)),
        ),
    ]


def _delete_abandoned(
    organization_id: OrganizationId, rows: Sequence[Row], now: datetime
) -> list[Statement]:
    texts = sorted(
        (row["scope"].removeprefix(TEXTS_PREFIX), row["record_id"])
        for row in rows
        if row["scope"].startswith(TEXTS_PREFIX)
    )
    return [
        statement
        for model, group in groupby(texts, key=lambda text: text[0])
        if model in MODELS
        for statement in delete_statements(
            organization_id, model, sorted({text for _, text in group}), now, ABANDONED
        )
    ]
