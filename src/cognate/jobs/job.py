"""Jobs: one row for every time that something was to be embedded, and the SQL over them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cognate.errors import NotFound
from cognate.pagination import Page, decode_cursor, encode_cursor
from cognate.ports import Row, Statement
from cognate.schema.collections import TEXTS_PREFIX
from cognate.texts.posted import find_text
from cognate.times import from_iso, to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Database, Parameter
    from cognate.principal import OrganizationId

COLUMNS: Final = (
    "id, status, scope, record_id, model, attempts, error_code, error_message, "
    "created_at, updated_at, completed_at"
)


class JobStatus(StrEnum):
    """Where a job stands; all but the first two are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class JobError:
    """The error of a job or of a backfill: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Job:
    """One job as its organization sees it.

    Attributes:
        table: the record's table; None for a text without one.
        record_id: None for a text without a table: it is found under the job's own id.
        attempts: times it was started; 1 where its row is gone and its text is not.
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

    @property
    def error(self) -> JobError | None:
        """The error of the last attempt; None if there is none."""
        if self.error_code is None:
            return None
        return JobError(self.error_code, self.error_message or "")


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

    The job of a posted text outlives its row: while the text is there, it is done.

    Raises:
        NotFound: it does not exist, or is another organization's; the two look the same.
        DatabaseError: D1 failed.
    """
    sql = f"SELECT {COLUMNS} FROM cognate_jobs WHERE organization_id = ?1 AND id = ?2"  # noqa: S608
    [rows] = await database.batch([Statement(sql, (organization_id, job_id))])
    if rows:
        return job_of(rows[0])
    text = await find_text(database, organization_id, job_id)
    if text is None or text.embedded_at is None:
        raise NotFound("job", "There is no such embedding job in your organization.")
    return Job(
        id=text.id,
        status=JobStatus.DONE,
        table=None,
        record_id=None,
        model=text.model,
        attempts=1,
        error_code=None,
        error_message=None,
        created_at=text.created_at,
        updated_at=text.embedded_at,
        completed_at=text.embedded_at,
    )


@dataclass(frozen=True)
class JobFilter:
    """What a list of jobs is narrowed to; None is no filter.

    Attributes:
        record_id: given with a table.
        code: of the error that the job failed with, or failed with last.
    """

    status: JobStatus | None = None
    table: str | None = None
    record_id: str | None = None
    code: str | None = None


async def list_jobs(
    database: Database,
    organization_id: OrganizationId,
    chosen: JobFilter,
    *,
    limit: int,
    cursor: str | None,
) -> Page[Job]:
    """A page of the organization's jobs, the newest first.

    Raises:
        InvalidInput: the cursor is not one of this list with these filters.
        DatabaseError: D1 failed.
    """
    context = f"jobs {chosen!r}"
    after = None if cursor is None else decode_cursor(cursor, context, 2)
    [rows] = await database.batch([list_statement(organization_id, chosen, limit + 1, after)])
    jobs = [job_of(row) for row in rows[:limit]]
    more = None
    if len(rows) > limit:
        more = encode_cursor([to_iso(jobs[-1].created_at), jobs[-1].id], context)
    return Page(jobs, limit, more)


def list_statement(
    organization_id: OrganizationId,
    chosen: JobFilter,
    limit: int,
    after: Sequence[Parameter] | None,
) -> Statement:
    """The jobs behind a place in the list; an index serves every combination of filters."""
    parameters: list[Parameter] = [organization_id, limit]
    conditions = ["organization_id = ?1"]
    # A record has few jobs; the plus keeps SQLite from an index of something else.
    plus = "" if chosen.record_id is None else "+"
    for column, value in (
        ("scope", chosen.table),
        ("record_id", chosen.record_id),
        (f"{plus}error_code", chosen.code),
        (f"{plus}status", chosen.status),
    ):
        if value is not None:
            parameters.append(str(value))
            conditions.append(f"{column} = ?{len(parameters)}")
    if after is not None:
        parameters += after
        last = len(parameters)
        conditions.append(f"(created_at, id) < (?{last - 1}, ?{last})")
    sql = (
        f"SELECT {COLUMNS} FROM cognate_jobs WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants
        "ORDER BY created_at DESC, id DESC LIMIT ?2"
    )
    return Statement(sql, tuple(parameters))


def resolved_by(failed: str) -> str:
    """An SQL select of jobs that make up for a failed one, by the name it has in the statement.

    A job that was to index metadata only does not make up for one that was to embed a text.
    """
    return (
        f"SELECT 1 FROM cognate_jobs d WHERE d.organization_id = {failed}.organization_id "  # noqa: S608 - a name of ours
        f"AND d.scope = {failed}.scope AND d.record_id = {failed}.record_id "
        # The plus keeps SQLite to the record's own few jobs.
        f"AND +d.status = 'done' AND d.embeds >= {failed}.embeds "
        f"AND (d.completed_at, d.rowid) > ({failed}.completed_at, {failed}.rowid)"
    )
