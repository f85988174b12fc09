"""Jobs: one row for every time that something was to be embedded, and the SQL over them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cognate.pagination import Page, decode_cursor, encode_cursor
from cognate.ports import Row, Statement
from cognate.schema.collections import TEXTS_PREFIX
from cognate.times import from_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Database, Parameter
    from cognate.principal import OrganizationId

COLUMNS: Final = (
    "id, status, scope, record_id, model, attempts, error_code, error_message, "
    "created_at, updated_at, completed_at"
)

SCOPES: Final = (
    "collections (name) AS (SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1 "
    "UNION ALL SELECT (SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1 "
    "AND scope > collections.name) FROM collections WHERE collections.name IS NOT NULL), "
    "scopes (name) AS (SELECT name FROM collections WHERE name IS NOT NULL)"
)
"""The scopes in which organization ?1 has jobs: one step of the key for each."""


class JobStatus(StrEnum):
    """Where a job stands.

    ```
                      +--------- take back, try again ---------+
                      v                                        |
     (new) -----> queued ------ start ------> running ---------+---> done
                   |  ^                          |
                   |  |                          +---> failed ---> dismissed
                   |  +---------- retry ---------------'
                   v
               superseded   (a newer job of the record takes its place; from running and failed too)
    ```

    | from | to | when | in |
    |---|---|---|---|
    | | queued | a record or text is to be embedded | `queue.queue_statement` |
    | | queued | an index may hold an older entry | `run.repair_statements` |
    | | queued | a record was deleted by SQL | `removals.removal_statement` |
    | | running | another Worker's text arrives | `run.arrive_statements` |
    | | failed | a message was not understood | `run.arrive_statements` |
    | queued, running | running | a consumer starts it | `run.start_statements` |
    | running | done, failed, queued, superseded | a consumer ends it | `run.end_statements` |
    | running | failed | its message is a dead letter | `run.fail_statements` |
    | running | queued, superseded | its consumer died | `overdue.take_back_statements` |
    | failed | queued, superseded | somebody retries it | `replay.replay_statements` |
    | failed | dismissed | somebody dismisses it | `failed.dismiss_statement` |
    | failed | done, queued | its consumer ends it after its dead letter | `run.end_statements` |
    | queued | superseded | another Worker's text arrives | `run.arrive_statements` |

    Queued and running jobs are open. Done, superseded and dismissed ones are removed after a time.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    DISMISSED = "dismissed"


OPEN: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
ENDED_OTHERWISE: Final = frozenset({JobStatus.FAILED, JobStatus.SUPERSEDED, JobStatus.DISMISSED})
"""Jobs that ended in another way than done."""

OTHERWISE: Final = "status IN ('failed', 'superseded', 'dismissed')"
"""An SQL condition. Without it SQLite does not see that the indexes of such jobs serve."""

BY_STATUS: Final = {
    False: "cognate_jobs_by_status",
    True: "cognate_jobs_by_table_and_status",
}
"""The index of jobs by their status: of an organization, or of one of its tables."""

BY_CODE: Final = {
    (False, False): "cognate_jobs_by_code",
    (False, True): "cognate_jobs_by_code_and_status",
    (True, False): "cognate_jobs_by_table_and_code",
    (True, True): "cognate_jobs_by_table_code_and_status",
}
"""The index of jobs by their error code: of a table, and with a status, or not."""


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


async def read_job(database: Database, organization_id: OrganizationId, job_id: str) -> Job | None:
    """Find one job of the organization; None where it has none of this id.

    Raises:
        DatabaseError: D1 failed.
    """
    [rows] = await database.batch([find_statement(organization_id, job_id)])
    return job_of(rows[0]) if rows else None


def find_statement(organization_id: str, job_id: str) -> Statement:
    """Return the job of this id, whatever its collection: one step for each that has jobs."""
    return Statement(
        f"WITH RECURSIVE {SCOPES} SELECT {COLUMNS} FROM scopes CROSS JOIN cognate_jobs "  # noqa: S608 - constants
        "ON organization_id = ?1 AND cognate_jobs.scope = scopes.name AND id = ?2",
        (organization_id, job_id),
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
    after = None if cursor is None else str(decode_cursor(cursor, context, 1)[0])
    [rows] = await database.batch([list_statement(organization_id, chosen, limit + 1, after)])
    jobs = [job_of(row) for row in rows[:limit]]
    more = encode_cursor([jobs[-1].id], context) if len(rows) > limit else None
    return Page(jobs, limit, more)


def list_statement(
    organization_id: OrganizationId, chosen: JobFilter, limit: int, after: str | None
) -> Statement:
    """Return the jobs behind a place in the list, the newest first.

    An index serves each combination of filters. SQLite is told which: it prefers the key, and would
    read all jobs of a table to find a few. Without a table, the newest jobs of each collection are
    merged, because the key has the collection before the id, which sorts by time.
    """
    parameters: list[Parameter] = [organization_id, limit]
    conditions = ["organization_id = ?1"]
    for column, value in (
        ("scope", chosen.table),
        ("record_id", chosen.record_id),
        ("error_code", chosen.code),
        ("status", chosen.status),
    ):
        if value is not None:
            parameters.append(str(value))
            conditions.append(f"{column} = ?{len(parameters)}")
    if after is not None:
        parameters.append(after)
        conditions.append(f"id < ?{len(parameters)}")
    index, implied = _index(chosen)
    conditions += implied
    if index is None and chosen.table is None:
        newest = " AND n.".join(["scope = scopes.name", *conditions])
        return Statement(
            f"WITH RECURSIVE {SCOPES} SELECT {COLUMNS} FROM scopes CROSS JOIN cognate_jobs "  # noqa: S608 - constants
            "ON organization_id = ?1 AND cognate_jobs.scope = scopes.name AND id IN ("
            f"SELECT n.id FROM cognate_jobs n WHERE n.{newest} ORDER BY n.id DESC LIMIT ?2) "
            "ORDER BY id DESC LIMIT ?2",
            tuple(parameters),
        )
    indexed = "" if index is None else f"INDEXED BY {index} "
    return Statement(
        f"SELECT {COLUMNS} FROM cognate_jobs {indexed}WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants
        "ORDER BY id DESC LIMIT ?2",
        tuple(parameters),
    )


def _index(chosen: JobFilter) -> tuple[str | None, Sequence[str]]:
    """The index of a list, and the conditions without which SQLite does not see that it serves."""
    if chosen.record_id is not None:
        return "cognate_jobs_by_record", ()
    by_table = chosen.table is not None
    if chosen.code is not None:
        return BY_CODE[by_table, chosen.status is not None], ()
    if chosen.status in ENDED_OTHERWISE:
        return BY_STATUS[by_table], (OTHERWISE,)
    if chosen.status in OPEN:
        return "cognate_jobs_open", ("completed_at IS NULL", "announced IN (0, 1, 2)")
    return None, ()


def resolved_by(failed: str) -> str:
    """An SQL select of jobs that make up for a failed one, by the name it has in the statement.

    A job that was to index metadata only does not make up for one that was to embed a text.
    """
    return (
        "SELECT 1 FROM cognate_jobs d INDEXED BY cognate_jobs_by_record "  # noqa: S608 - constants
        f"WHERE d.organization_id = {failed}.organization_id "
        f"AND d.scope = {failed}.scope AND d.record_id = {failed}.record_id "
        # The plus keeps SQLite to the record's own few jobs.
        f"AND +d.status = 'done' AND d.embeds >= {failed}.embeds "
        f"AND (d.completed_at, d.id) > ({failed}.completed_at, {failed}.id)"
    )
