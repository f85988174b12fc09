"""Remove old jobs. Each statement finds its rows by an index and removes a bounded number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.jobs.job import resolved_by
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MAX_PRUNED_PER_RUN: Final = 1000
"""Most jobs that one statement removes in one run."""

FINISHED: Final = "status IN ('done', 'superseded', 'dismissed')"
"""An SQL condition: the WHERE of the partial index `cognate_jobs_completed`."""


KEY: Final = "(organization_id, scope, id)"


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
    old = (
        "SELECT organization_id, scope, id FROM cognate_jobs "  # noqa: S608 - constants
        f"WHERE completed_at < ?1 AND {FINISHED} "
        "ORDER BY completed_at LIMIT ?2"
    )
    failed = "FROM cognate_jobs INDEXED BY cognate_jobs_failed WHERE status = 'failed'"
    parameters = (to_iso(before), MAX_PRUNED_PER_RUN)
    return [
        # First the failed jobs that these jobs resolved. Left alone, they would count as failed
        # again.
        Statement(
            "DELETE FROM cognate_jobs AS f INDEXED BY cognate_jobs_by_record "  # noqa: S608 - constants
            "WHERE +f.status = 'failed' AND (f.organization_id, f.scope, f.record_id) IN ("
            f"SELECT organization_id, scope, record_id FROM cognate_jobs WHERE {KEY} IN ({old})) "
            f"AND EXISTS ({resolved_by('f')} AND (d.organization_id, d.scope, d.id) IN ({old}))",
            parameters,
        ),
        Statement(
            # One index step for each scope that has failed jobs.
            f"WITH RECURSIVE scopes (scope) AS (SELECT MIN(scope) {failed} UNION ALL "  # noqa: S608 - constants
            f"SELECT (SELECT MIN(scope) {failed} AND scope > scopes.scope) "
            "FROM scopes WHERE scopes.scope IS NOT NULL) "
            f"DELETE FROM cognate_jobs WHERE {KEY} IN ("
            "SELECT f.organization_id, f.scope, f.id FROM scopes CROSS JOIN cognate_jobs "
            "f INDEXED BY cognate_jobs_failed ON f.scope = scopes.scope AND f.status = 'failed' "
            "AND f.completed_at < ?1 WHERE scopes.scope NOT IN (SELECT value FROM json_each(?3)) "
            "LIMIT ?2) RETURNING id",
            (*parameters, json.dumps(list(scopes))),
        ),
        Statement(f"DELETE FROM cognate_jobs WHERE {KEY} IN ({old}) RETURNING id", parameters),  # noqa: S608 - constants
    ]
