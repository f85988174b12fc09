"""Queue jobs that remove the vectors of records that were deleted by SQL.

The table's trigger marks the state row of each deleted record. The job that removes the vectors
also removes the mark. A deletion through the API sets the same mark, and queues its job at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.ids import TIME_DIGITS, new_id
from cognate.jobs.messages import JOB_PREFIX
from cognate.jobs.queue import NEVER_DUE, Priority
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from datetime import datetime

MAX_REMOVALS_PER_RUN: Final = 500
"""Most removals that the sweeper queues in one run."""


def removal_statement(now: datetime) -> Statement:
    """Queue a job for each marked state row without a job, at most `MAX_REMOVALS_PER_RUN`.

    An open job of the record removes the vectors itself, because it finds that the record is gone.
    A removal that failed or was dismissed is not queued again unless the record had a job since.
    """
    digits = len(JOB_PREFIX) + 1 + TIME_DIGITS
    prefix = new_id(JOB_PREFIX, now)[:digits]
    parameters = (to_iso(now), prefix, int(Priority.BACKFILL), NEVER_DUE, MAX_REMOVALS_PER_RUN)
    return Statement(_QUEUE_REMOVALS, parameters)


_QUEUE_REMOVALS: Final = """
INSERT INTO cognate_jobs (
  id, organization_id, scope, record_id, source, priority, status, due_at, created_at, updated_at)
SELECT ?2 || substr(lower(hex(randomblob(8))), 1, 16), organization_id, scope, record_id,
  'sweeper', ?3, 'queued', ?4, ?1, ?1
FROM cognate_embeddings s INDEXED BY cognate_embeddings_record_gone
WHERE record_gone = 1
  AND NOT EXISTS (
    SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record
    WHERE j.organization_id = s.organization_id AND j.scope = s.scope
      AND j.record_id = s.record_id AND +j.status IN ('queued', 'running'))
  AND NOT COALESCE((
    SELECT j.source IN ('delete', 'sweeper') AND j.status IN ('failed', 'dismissed')
    FROM cognate_jobs j INDEXED BY cognate_jobs_by_record
    WHERE j.organization_id = s.organization_id AND j.scope = s.scope
      AND j.record_id = s.record_id
    ORDER BY j.id DESC LIMIT 1), 0)
ORDER BY organization_id, scope, record_id LIMIT ?5
"""
