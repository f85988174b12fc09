"""The job, its states, and the queries that find and list jobs."""

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


class JobStatus(StrEnum):
    """The state of a job.

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

    Queued and running jobs are open. Jobs that are done, superseded or dismissed are removed after
    the retention time.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    DISMISSED = "dismissed"


OPEN: Final = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
ENDED_OTHERWISE: Final = frozenset({JobStatus.FAILED, JobStatus.SUPERSEDED, JobStatus.DISMISSED})
"""The states of jobs that ended without being done."""

OPEN_INDEX: Final = "cognate_jobs_open"
TURNS: Final = "CROSS JOIN (SELECT 0 AS turn UNION ALL SELECT 1 UNION ALL SELECT 2) turns "
"""The values of `announced`, by which the index of open jobs is sorted before their ids."""

BY_STATUS: Final = {
    False: "cognate_jobs_by_status",
    True: "cognate_jobs_by_table_and_status",
}
"""Indexes of jobs by status. The key says whether the list is of one table."""

BY_CODE: Final = {
    (False, False): "cognate_jobs_by_code",
    (False, True): "cognate_jobs_by_code_and_status",
    (True, False): "cognate_jobs_by_table_and_code",
    (True, True): "cognate_jobs_by_table_code_and_status",
}
"""Indexes of jobs by error code. The key says whether the list is of one table, and whether it is
of one status."""


@dataclass(frozen=True)
class JobError:
    """The error of a job or of a backfill: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Job:
    """One job, as the API returns it.

    Attributes:
        table: the record's table; None for a text without a table.
        record_id: None for a text without a table, which is stored under the job's id.
        attempts: how often the job was started. It is 1 for a posted text whose job was removed.
        error_code: a stable code. Set on failed jobs, and on jobs that wait for another try.
        completed_at: None while the job is open.
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
        """Return the error of the last attempt, or None."""
        if self.error_code is None:
            return None
        return JobError(self.error_code, self.error_message or "")


def job_of(row: Row) -> Job:
    """Make a job of a row with all its columns."""
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
    """Find a job of the organization by its id. Return None if there is none.

    Raises:
        DatabaseError: D1 failed.
    """
    [rows] = await database.batch([find_statement(organization_id, job_id)])
    return job_of(rows[0]) if rows else None


def find_statement(organization_id: str, job_id: str) -> Statement:
    """Return the job of this id in any collection. It takes one index step for each collection."""
    return Statement(_FIND, (organization_id, job_id))


_FIND: Final = """
WITH RECURSIVE collections (name) AS (
  SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1
  UNION ALL SELECT (
    SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1 AND scope > collections.name)
  FROM collections WHERE collections.name IS NOT NULL),
scopes (name) AS (SELECT name FROM collections WHERE name IS NOT NULL)
SELECT id, status, scope, record_id, model, attempts, error_code, error_message, created_at,
  updated_at, completed_at
FROM scopes CROSS JOIN cognate_jobs
  ON organization_id = ?1 AND cognate_jobs.scope = scopes.name AND id = ?2
"""


@dataclass(frozen=True)
class JobFilter:
    """Filters of a list of jobs. None means no filter.

    Attributes:
        record_id: given with a table.
        code: code of the job's last error.
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
    """Return a page of the organization's jobs, the newest first.

    Raises:
        InvalidInput: the cursor belongs to another list, or to other filters.
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
    """Return the jobs that follow a position in the list, the newest first.

    There is an index for each combination of filters, and the statement names it. Left to itself,
    SQLite takes the primary key and reads all jobs of a table to find a few. The primary key has
    the collection before the id. So a list of all tables merges the newest jobs of each collection,
    and a list of open jobs those of each turn.
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
    is_open = index == OPEN_INDEX
    if is_open or (index is None and chosen.table is None):
        newest = " AND n.".join(["scope = scopes.name", *conditions])
        return Statement(
            "WITH RECURSIVE collections (name) AS ("  # noqa: S608 - the filters of a caller
            "SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1 "
            "UNION ALL SELECT (SELECT MIN(scope) FROM cognate_jobs WHERE organization_id = ?1 "
            "AND scope > collections.name) FROM collections WHERE collections.name IS NOT NULL), "
            "scopes (name) AS (SELECT name FROM collections WHERE name IS NOT NULL) "
            "SELECT id, status, scope, record_id, model, attempts, error_code, error_message, "
            f"created_at, updated_at, completed_at FROM scopes {TURNS if is_open else ''}"
            "CROSS JOIN cognate_jobs "
            "ON organization_id = ?1 AND cognate_jobs.scope = scopes.name AND id IN ("
            f"SELECT n.id FROM cognate_jobs n {f'INDEXED BY {index} ' if is_open else ''}"
            f"WHERE n.{newest} ORDER BY n.id DESC LIMIT ?2) "
            "ORDER BY id DESC LIMIT ?2",
            tuple(parameters),
        )
    indexed = "" if index is None else f"INDEXED BY {index} "
    return Statement(
        "SELECT id, status, scope, record_id, model, attempts, error_code, error_message, "  # noqa: S608 - the filters of a caller
        f"created_at, updated_at, completed_at FROM cognate_jobs {indexed}"
        f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?2",
        tuple(parameters),
    )


def _index(chosen: JobFilter) -> tuple[str | None, Sequence[str]]:
    """Return the index of a list, and the conditions that SQLite needs to see to use it."""
    if chosen.record_id is not None:
        return "cognate_jobs_by_record", ()
    by_table = chosen.table is not None
    if chosen.code is not None:
        return BY_CODE[by_table, chosen.status is not None], ()
    if chosen.status in ENDED_OTHERWISE:
        return BY_STATUS[by_table], ("status IN ('failed', 'superseded', 'dismissed')",)
    if chosen.status in OPEN:
        return OPEN_INDEX, ("completed_at IS NULL", "announced = turns.turn")
    return None, ()
