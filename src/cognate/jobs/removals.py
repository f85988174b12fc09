"""Queue the removal of vectors whose record was deleted behind the API.

The table's trigger has marked their state rows. A deletion by the API queues its own job, which
takes the mark away in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.jobs.queue import NEVER_DUE, Priority
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from datetime import datetime

MAX_REMOVALS_PER_RUN: Final = 500
"""Records whose removal the sweeper queues in one run."""

MARKED: Final = (
    "FROM cognate_embeddings INDEXED BY cognate_embeddings_record_gone WHERE record_gone = 1 "
    f"ORDER BY organization_id, scope, record_id LIMIT {MAX_REMOVALS_PER_RUN}"
)


def removal_statements(now: datetime) -> list[Statement]:
    """Queue a job for each marked state row, within bounds, and take the marks away.

    A job of the record that waits already finds that its record is gone.
    """
    return [
        Statement(
            "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, priority, "
            "status, due_at, created_at, updated_at) SELECT 'job_' || lower(hex(randomblob(13))), "
            f"organization_id, scope, record_id, 'sweeper', {int(Priority.BACKFILL)}, 'queued', "
            f"'{NEVER_DUE}', ?1, ?1 {MARKED} "
            "ON CONFLICT (organization_id, scope, record_id) WHERE status = 'queued' DO NOTHING",
            (to_iso(now),),
        ),
        Statement(
            "UPDATE cognate_embeddings SET record_gone = 0, revision = revision + 1 "  # noqa: S608 - constants
            f"WHERE (organization_id, scope, record_id) IN (SELECT organization_id, scope, "
            f"record_id {MARKED})",
        ),
    ]
