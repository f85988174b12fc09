"""Select, count and dismiss the failed jobs of an organization."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.jobs.job import BY_CODE, BY_STATUS
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Parameter
    from cognate.principal import OrganizationId

MAX_CHOSEN: Final = 1000
"""Most failed jobs that one call retries or dismisses. The answer says how many remain."""


@dataclass(frozen=True)
class FailedJobs:
    """The failed jobs of an organization, or those of one table or error code.

    Attributes:
        with_state: only jobs whose record is known. A job of a malformed message has no record, so
            it cannot be retried.
    """

    organization_id: OrganizationId
    scope: str | None = None
    code: str | None = None
    with_state: bool = False

    def oldest_statement(self) -> Statement:
        """Return (id, scope, record_id) of the oldest jobs, at most `MAX_CHOSEN`."""
        source, parameters = self._source()
        return Statement(
            f"SELECT f.id, f.scope, f.record_id {source} ORDER BY f.id LIMIT {MAX_CHOSEN}",
            parameters,
        )

    def count_statement(self) -> Statement:
        """Return (jobs), the number of them."""
        source, parameters = self._source()
        return Statement(f"SELECT COUNT(*) AS jobs {source}", parameters)

    def _source(self) -> tuple[str, tuple[Parameter, ...]]:
        parameters: list[Parameter] = [self.organization_id]
        conditions = [
            "f.organization_id = ?1",
            "f.status = 'failed'",
            # SQLite uses the partial indexes only if the statement repeats their WHERE.
            "f.status IN ('failed', 'superseded', 'dismissed')",
        ]
        for column, value in (("scope", self.scope), ("error_code", self.code)):
            if value is not None:
                parameters.append(value)
                conditions.append(f"f.{column} = ?{len(parameters)}")
        if self.with_state:
            conditions.append(_WITH_STATE)
        by_table = self.scope is not None
        index = BY_STATUS[by_table] if self.code is None else BY_CODE[by_table, True]
        source = f"FROM cognate_jobs f INDEXED BY {index} WHERE {' AND '.join(conditions)}"
        return source, tuple(parameters)


_WITH_STATE: Final = (
    "EXISTS (SELECT 1 FROM cognate_embeddings s WHERE s.organization_id = f.organization_id "
    "AND s.scope = f.scope AND s.record_id = f.record_id)"
)


def dismiss_statement(
    organization_id: OrganizationId, keys: Sequence[tuple[str, str]], now: datetime
) -> Statement:
    """Dismiss failed jobs.

    Args:
        organization_id: the owner of the jobs.
        keys: (scope, id) of each job.
        now: the time.

    Returns:
        A statement that returns the id of each job that was still failed.
    """
    return Statement(_DISMISS, (organization_id, json.dumps(keys), to_iso(now)))


_DISMISS: Final = """
UPDATE cognate_jobs AS f SET status = 'dismissed', updated_at = ?3, completed_at = ?3
WHERE f.organization_id = ?1
  AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
  AND +f.status = 'failed'
RETURNING id
"""
