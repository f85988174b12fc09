"""Jobs: one row for every time that something was to be embedded, and the SQL over them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cognate.collections import TEXTS_PREFIX
from cognate.errors import NotFound
from cognate.ports import Row, Statement
from cognate.times import from_iso

if TYPE_CHECKING:
    from datetime import datetime

    from cognate.ports import Database
    from cognate.principal import OrganizationId

COLUMNS: Final = (
    "id, status, scope, record_id, model, attempts, error_code, error_message, "
    "created_at, updated_at, completed_at"
)


class JobStatus(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Job:
    """One job as its organization sees it.

    Attributes:
        table: the record's table; None for a text without one.
        record_id: None for a text without a table: it is found under the job's own id.
        attempts: times it was started.
        error_code: stable; set on failed jobs and on those that wait for another try.
        completed_at: None until its status is final.
    """

    id: str
    status: JobStatus
    table: str | None
    record_id: str | None
    model: str | None
    attempts: int
    error_code: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


def job_of(row: Row) -> Job:
    """The job of a row of `COLUMNS`."""
    of_table = bool(row["scope"]) and not row["scope"].startswith(TEXTS_PREFIX)
    return Job(
        id=row["id"],
        status=JobStatus(row["status"]),
        table=row["scope"] if of_table else None,
        record_id=row["record_id"] if of_table else None,
        model=row["model"],
        attempts=row["attempts"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        created_at=from_iso(row["created_at"]),
        updated_at=from_iso(row["updated_at"]),
        completed_at=from_iso(row["completed_at"]) if row["completed_at"] else None,
    )


async def find_job(database: Database, organization_id: OrganizationId, job_id: str) -> Job:
    """One job of the organization.

    Raises:
        NotFound: it does not exist, or is another organization's; the two look the same.
        DatabaseError: D1 failed.
    """
    sql = f"SELECT {COLUMNS} FROM cognate_jobs WHERE organization_id = ?1 AND id = ?2"  # noqa: S608
    [rows] = await database.batch([Statement(sql, (organization_id, job_id))])
    if not rows:
        raise NotFound("job", "There is no such embedding job in your organization.")
    return job_of(rows[0])
