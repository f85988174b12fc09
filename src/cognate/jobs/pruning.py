"""Remove old jobs. Each statement removes a bounded number of rows, found by an index."""

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
"""Jobs that each statement removes in one run."""

FINISHED: Final = "status IN ('done', 'superseded', 'dismissed')"
"""As the index `cognate_jobs_completed` has it."""


KEY: Final = "(organization_id, scope, id)"


def prune_statements(before: datetime, scopes: Sequence[str]) -> list[Statement]:
    """Remove jobs that ended before this time and that nobody can need.

    Failed jobs stay until they are replayed, dismissed or made up for. Only those that nothing can
    replay are removed: of messages that were not understood, which have no scope, and of tables
    that the schema does not have.

    Args:
        before: the time.
        scopes: of the schema's collections.

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
        # Together with the failed ones that it made up for, lest they seem the last word.
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
