"""Remove old jobs. Each statement finds its rows by an index and removes a bounded number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_PRUNED_PER_RUN: Final = 1000
"""Most jobs that one statement removes in one run."""


def prune_statements(before: datetime, scopes: Sequence[str]) -> list[Statement]:
    """Remove jobs that ended before a time, except failed jobs that can still be retried.

    A failed job stays until it is retried, dismissed or resolved by a later job. Only two kinds of
    failed jobs are removed by age: those of malformed messages, which have no scope, and those of
    tables that are no longer in the schema.

    Args:
        before: the time.
        scopes: the scopes of the schema's collections.

    Returns:
        Statements of which the last two return the id of each job that they removed.
    """
    parameters = (to_iso(before), MAX_PRUNED_PER_RUN)
    return [
        Statement(_PRUNE_RESOLVED, parameters),
        Statement(_PRUNE_LOST, (*parameters, json.dumps(list(scopes)))),
        Statement(_PRUNE, parameters),
    ]


# The failed jobs that the jobs of `_PRUNE` resolved. Left alone, they would count as failed again.
_PRUNE_RESOLVED: Final = """
DELETE FROM cognate_jobs AS f INDEXED BY cognate_jobs_by_record
WHERE +f.status = 'failed'
  AND (f.organization_id, f.scope, f.record_id) IN (
    SELECT organization_id, scope, record_id FROM cognate_jobs
    WHERE (organization_id, scope, id) IN (
      SELECT organization_id, scope, id FROM cognate_jobs
      WHERE completed_at < ?1 AND status IN ('done', 'superseded', 'dismissed')
      ORDER BY completed_at LIMIT ?2))
  AND EXISTS (
    SELECT 1 FROM cognate_jobs d INDEXED BY cognate_jobs_by_record
    WHERE d.organization_id = f.organization_id AND d.scope = f.scope
      AND d.record_id = f.record_id AND +d.status = 'done' AND d.embeds >= f.embeds
      AND (d.completed_at, d.id) > (f.completed_at, f.id)
      AND (d.organization_id, d.scope, d.id) IN (
        SELECT organization_id, scope, id FROM cognate_jobs
        WHERE completed_at < ?1 AND status IN ('done', 'superseded', 'dismissed')
        ORDER BY completed_at LIMIT ?2))
"""

# It takes one index step for each scope that has failed jobs.
_PRUNE_LOST: Final = """
WITH RECURSIVE scopes (scope) AS (
  SELECT MIN(scope) FROM cognate_jobs INDEXED BY cognate_jobs_failed WHERE status = 'failed'
  UNION ALL SELECT (
    SELECT MIN(scope) FROM cognate_jobs INDEXED BY cognate_jobs_failed
    WHERE status = 'failed' AND scope > scopes.scope)
  FROM scopes WHERE scopes.scope IS NOT NULL)
DELETE FROM cognate_jobs
WHERE (organization_id, scope, id) IN (
  SELECT f.organization_id, f.scope, f.id
  FROM scopes CROSS JOIN cognate_jobs f INDEXED BY cognate_jobs_failed
    ON f.scope = scopes.scope AND f.status = 'failed' AND f.completed_at < ?1
  WHERE scopes.scope NOT IN (SELECT value FROM json_each(?3)) LIMIT ?2)
RETURNING id
"""

_PRUNE: Final = """
DELETE FROM cognate_jobs
WHERE (organization_id, scope, id) IN (
  SELECT organization_id, scope, id FROM cognate_jobs
  WHERE completed_at < ?1 AND status IN ('done', 'superseded', 'dismissed')
  ORDER BY completed_at LIMIT ?2)
RETURNING id
"""
