"""Start and end jobs: the changes of status that a consumer makes.

Most statements take a JSON list of rows. A row names its job by organization, scope and id, the
primary key of `cognate_jobs`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.jobs.queue import DELIVERY_PATIENCE
from cognate.ports import Statement
from cognate.sql import json_groups
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cognate.jobs.job import JobStatus
    from cognate.jobs.messages import JobKey
    from cognate.ports import Row
    from cognate.schema.collections import Collection

LEASE: Final = timedelta(minutes=5)
"""Time that a consumer has to end a job that it has started. A batch takes seconds. Cloudflare ends
a consumer after 15 minutes. If two consumers run the same job, the revision decides which result is
kept."""


@dataclass(frozen=True)
class StartedJob:
    """A job that a batch has started.

    Attributes:
        source: who asked for the job: `api`, `message`, `repair` and so on.
        charges: failures so far that were the record's own fault.
        attempts: how often the job was started, this time included.
    """

    organization_id: str
    scope: str
    id: str
    source: str
    charges: int
    attempts: int

    @classmethod
    def of(cls, row: Row) -> StartedJob:
        """Make a started job of a row of `start_statements`."""
        names = ("organization_id", "scope", "id", "source", "charges", "attempts")
        return cls(*(row[name] for name in names))


@dataclass(frozen=True)
class JobEnd:
    """How a started job ends.

    Attributes:
        job: the job.
        status: the new status. `queued` means another try. `done` becomes `superseded` if the
            record was written meanwhile.
        record: the record and the revision that was read, as fields of a JSON row. None if the
            record was not read.
        after_seconds: the pause before another try.
        charged: whether a failure counts against the record.
        due_at: when the sweeper checks the job if it is queued.
        code: code of the error. On a done job, the reason why there is no vector.
        message: a sentence for the job's owner.
    """

    job: StartedJob
    status: JobStatus
    record: Mapping[str, Any] | None = None
    after_seconds: int | None = None
    charged: bool = False
    due_at: str = ""
    code: str | None = None
    message: str | None = None


def start_statements(
    collections: Iterable[Collection],
    keys: Sequence[JobKey],
    now: datetime,
    *,
    most_characters: int,
    most_of_column: int,
) -> tuple[Statement, Statement, Statement]:
    """Start the jobs of the next wave: as many as fit by the length of their texts, at least one.

    The jobs of one record start together. If a job was started before and has no recorded error,
    its handler died, perhaps because of the job's text. Such a job starts alone, after all others.

    Args:
        collections: all collections of the schema.
        keys: the keys of the jobs.
        now: the time.
        most_characters: most characters of the texts of a wave.
        most_of_column: most characters that are read of one column.

    Returns:
        Three statements. The first returns the id of each job that can be started. The second
        starts jobs and returns the fields of `StartedJob`. The third is `waiting_statement`.
    """
    payload, moment = json.dumps([key.fields() for key in keys]), to_iso(now)
    start = Statement(
        "WITH candidates AS ("  # noqa: S608 - names of the schema
        "SELECT j.organization_id, j.scope, j.id, "
        "MAX(j.attempts > 0 AND j.error_code IS NULL) OVER record AS lost_handler, "
        "MAX(j.attempts) OVER record AS attempts, MIN(j.id) OVER record AS first_id, "
        # The text that was posted for the record, and the record's own.
        "COALESCE((SELECT length(s.posted_text) FROM cognate_embeddings s "
        "WHERE s.organization_id = j.organization_id AND s.scope = j.scope "
        f"AND s.record_id = j.record_id), 0) + {_characters(collections, most_of_column)} "
        "AS characters FROM json_each(?1) m CROSS JOIN cognate_jobs j "
        "ON j.organization_id = m.value ->> 'organization' AND j.scope = m.value ->> 'scope' "
        "AND j.id = m.value ->> 'job' WHERE (j.status = 'queued' OR (j.status = 'running' "
        "AND (j.due_at < ?2 OR m.value ->> 'redelivered'))) "
        "WINDOW record AS (PARTITION BY j.organization_id, j.scope, j.record_id)"
        "), ranked AS ("
        # All jobs of one record have the same rank and the same total.
        "SELECT organization_id, scope, id, lost_handler, RANK() OVER turn AS place, "
        "SUM(characters) OVER turn AS total "
        "FROM candidates WINDOW turn AS (ORDER BY lost_handler, attempts, first_id)) "
        "UPDATE cognate_jobs SET status = 'running', attempts = attempts + 1, updated_at = ?2, "
        # So a job that comes back without an error has lost its handler.
        "error_code = NULL, error_message = NULL, due_at = ?3 "
        "WHERE (organization_id, scope, id) IN (SELECT organization_id, scope, id FROM ranked "
        "WHERE place = 1 OR (NOT lost_handler AND total <= ?4)) "
        "RETURNING organization_id, scope, id, source, charges, attempts",
        (payload, moment, to_iso(now + LEASE), most_characters),
    )
    return Statement(_STARTABLE, (payload, moment)), start, waiting_statement(keys)


# Jobs that can be started at the time ?2: they are queued, or their consumer died.
_STARTABLE: Final = """
SELECT j.id FROM json_each(?1) m CROSS JOIN cognate_jobs j
  ON j.organization_id = m.value ->> 'organization' AND j.scope = m.value ->> 'scope'
  AND j.id = m.value ->> 'job'
WHERE (j.status = 'queued' OR (j.status = 'running'
  AND (j.due_at < ?2 OR m.value ->> 'redelivered')))
"""


def _characters(collections: Iterable[Collection], most: int) -> str:
    """Return an SQL expression: how many characters of the record of a job `j` are read."""
    cases = []
    for collection in collections:
        lengths = " + ".join(
            f'MIN(COALESCE(length(r."{column}"), 0), {most})' for column in collection.columns
        )
        cases.append(
            f"WHEN '{collection.scope}' THEN (SELECT {lengths} FROM \"{collection.sql_table}\" r "  # noqa: S608 - names of the schema
            "WHERE r.organization_id = j.organization_id AND r.id = j.record_id)"
        )
    return f"COALESCE(CASE j.scope {' '.join(cases)} END, 0)"


def waiting_statement(keys: Sequence[JobKey]) -> Statement:
    """Return (organization_id) of each organization of these jobs that has waiting jobs."""
    organizations = sorted({key.organization_id for key in keys})
    return Statement(_WAITING, (json.dumps(organizations),))


_WAITING: Final = """
SELECT value AS organization_id FROM json_each(?1)
WHERE EXISTS (
  SELECT 1 FROM cognate_jobs w INDEXED BY cognate_jobs_waiting
  WHERE w.organization_id = value AND w.completed_at IS NULL AND w.announced = 0)
"""


def arrive_statements(payload: str, now: datetime) -> list[Statement]:
    """Insert jobs that arrive with their message. A message that arrives twice makes one job.

    A job with a text begins as running and overdue, so `start_statements` starts it, also when its
    message is delivered again. A queued job of the same record is superseded, because the text that
    arrives is newer.

    Args:
        payload: a JSON list of rows: `organization`, `scope`, `job`, `record`, `model`, `status`,
            `code` and `message`.
        now: the time.
    """
    moment = to_iso(now)
    return [Statement(_SUPERSEDE_QUEUED, (payload, moment)), Statement(_ARRIVE, (payload, moment))]


_SUPERSEDE_QUEUED: Final = """
UPDATE cognate_jobs SET status = 'superseded', completed_at = ?2, updated_at = ?2
WHERE (organization_id, scope, id) IN (
  SELECT q.organization_id, q.scope, q.id
  FROM json_each(?1) CROSS JOIN cognate_jobs q INDEXED BY cognate_jobs_by_record
    ON q.organization_id = json_each.value ->> 'organization'
    AND q.scope = json_each.value ->> 'scope' AND q.record_id = json_each.value ->> 'record'
  WHERE +q.status = 'queued' AND NOT EXISTS (
    SELECT 1 FROM cognate_jobs k
    WHERE k.organization_id = json_each.value ->> 'organization'
      AND k.scope = json_each.value ->> 'scope' AND k.id = json_each.value ->> 'job'))
"""

_ARRIVE: Final = """
INSERT OR IGNORE INTO cognate_jobs (
  organization_id, scope, id, record_id, model, source, announced, status, error_code,
  error_message, due_at, created_at, updated_at, completed_at)
SELECT COALESCE(value ->> 'organization', ''), value ->> 'scope', value ->> 'job',
  value ->> 'record', value ->> 'model', 'message', 1, value ->> 'status', value ->> 'code',
  value ->> 'message', '', ?2, ?2, CASE value ->> 'status' WHEN 'failed' THEN ?2 END
FROM json_each(?1)
"""


def end_statements(ends: Sequence[JobEnd], now: datetime) -> list[Statement]:
    """End jobs, or queue them for another try.

    Returns:
        Statements. Each returns (id, status) of the jobs that it has changed.
    """
    rows = [
        {
            **(end.record or {}),
            "organization": end.job.organization_id,
            "scope": end.job.scope,
            "job": end.job.id,
            "attempts": end.job.attempts,
            "is_read": end.record is not None,
            "status": end.status,
            "charge": int(end.charged),
            "due_at": end.due_at,
            "code": end.code,
            "message": end.message,
        }
        for end in ends
    ]
    moment = to_iso(now)
    return [Statement(_END, (payload, moment)) for payload in json_groups(rows)]


_END: Final = """
UPDATE cognate_jobs SET
  status = CASE
    -- A job that waits for another try gives way to a newer one of its record.
    WHEN value ->> 'status' = 'queued' AND EXISTS (
        SELECT 1 FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
        WHERE q.organization_id = cognate_jobs.organization_id AND q.scope = cognate_jobs.scope
          AND q.record_id = cognate_jobs.record_id AND +q.status = 'queued'
          AND q.id <> cognate_jobs.id)
      THEN 'superseded'
    WHEN value ->> 'status' = 'done' AND NOT EXISTS (
        SELECT 1 FROM cognate_embeddings s
        WHERE s.organization_id = value ->> 'organization' AND s.scope = value ->> 'scope'
          AND s.record_id = value ->> 'record' AND s.revision = value ->> 'revision')
      THEN 'superseded'
    ELSE value ->> 'status' END,
  charges = charges + (value ->> 'charge'),
  error_code = value ->> 'code',
  error_message = value ->> 'message',
  due_at = value ->> 'due_at',
  -- What waits for another try takes no place in the window.
  announced = CASE WHEN value ->> 'status' = 'queued' THEN 2 ELSE announced END,
  updated_at = ?2,
  -- Null if the job is queued, as above. No job ends as running.
  completed_at = CASE
    WHEN value ->> 'status' = 'queued' AND NOT EXISTS (
        SELECT 1 FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
        WHERE q.organization_id = cognate_jobs.organization_id AND q.scope = cognate_jobs.scope
          AND q.record_id = cognate_jobs.record_id AND +q.status = 'queued'
          AND q.id <> cognate_jobs.id)
      THEN NULL
    ELSE ?2 END
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND cognate_jobs.scope = value ->> 'scope'
  AND cognate_jobs.id = value ->> 'job'
  -- An older try that failed ends no newer one. And a dead letter may have failed the job while
  -- this try was at work: its result counts.
  AND (cognate_jobs.status = 'running'
      AND (value ->> 'status' = 'done' OR NOT value ->> 'is_read'
        OR cognate_jobs.attempts = value ->> 'attempts')
    OR cognate_jobs.status = 'failed'
      AND (NOT value ->> 'is_read' OR cognate_jobs.attempts = value ->> 'attempts'))
RETURNING cognate_jobs.id, cognate_jobs.status
"""


def repair_statements(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[Statement]:
    """Queue a job for each record that was written while its entry went to the index.

    The index may now hold an older entry, although D1 looks as if nothing had to be done. So the
    job is forced to write.

    Args:
        rows: `organization`, `scope`, `record`, the `revision` that was read, the `model`, and a
            `job` id.
        now: the time.

    Returns:
        Statements. Each returns (id, organization_id, scope) of the jobs to announce.
    """
    moment, due = to_iso(now), to_iso(now + DELIVERY_PATIENCE)
    return [Statement(_REPAIR, (payload, moment, due)) for payload in json_groups(rows)]


_REPAIR: Final = """
INSERT INTO cognate_jobs (
  organization_id, scope, id, record_id, model, source, status, forced, announced, due_at,
  created_at, updated_at)
SELECT organization_id, scope, COALESCE(queued, job), record_id, model, 'repair', 'queued', 1, 1,
  ?3, ?2, ?2
FROM (
  SELECT s.organization_id, s.scope, s.record_id, value ->> 'job' AS job,
    value ->> 'model' AS model, (
      SELECT q.id FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
      WHERE q.organization_id = s.organization_id AND q.scope = s.scope
        AND q.record_id = s.record_id AND +q.status = 'queued') AS queued
  FROM json_each(?1) CROSS JOIN cognate_embeddings s
    ON s.organization_id = value ->> 'organization' AND s.scope = value ->> 'scope'
    AND s.record_id = value ->> 'record'
  WHERE s.revision <> value ->> 'revision')
WHERE TRUE
ON CONFLICT (organization_id, scope, id) DO UPDATE SET forced = 1
RETURNING id, organization_id, scope
"""


def fail_statements(keys: Sequence[JobKey], now: datetime) -> list[Statement]:
    """Fail the running jobs of dead letters, with the code of the last error.

    Returns:
        Two statements. The first returns (id, error_code) of the jobs that it has failed. The
        second returns the same of jobs that wait for another try. Those stay queued.
    """
    payload = json.dumps([key.fields() for key in keys])
    return [Statement(_FAIL, (payload, to_iso(now))), Statement(_STILL_QUEUED, (payload,))]


_FAIL: Final = """
UPDATE cognate_jobs SET
  status = 'failed', completed_at = ?2, updated_at = ?2,
  error_message = 'It was tried as often as the queue allows. '
    || COALESCE(error_message, 'Its handler never finished.'),
  error_code = COALESCE(error_code, 'RETRIES_EXHAUSTED')
WHERE (organization_id, scope, id) IN (
    SELECT value ->> 'organization', value ->> 'scope', value ->> 'job' FROM json_each(?1))
  AND +status = 'running'
RETURNING id, error_code
"""

_STILL_QUEUED: Final = """
SELECT j.id, j.error_code FROM json_each(?1) m CROSS JOIN cognate_jobs j
  ON j.organization_id = m.value ->> 'organization' AND j.scope = m.value ->> 'scope'
  AND j.id = m.value ->> 'job'
WHERE +j.status = 'queued' AND j.error_code IS NOT NULL
"""


def arrive_late_jobs_statement(payload: str, now: datetime) -> Statement:
    """Insert jobs, as running, of messages that became dead letters before they got a job.

    Then `fail_statements` fails them, and they can be retried.

    Args:
        payload: see `arrive_statements`.
        now: the time.
    """
    return Statement(_ARRIVE_LATE, (payload, to_iso(now)))


_ARRIVE_LATE: Final = """
INSERT OR IGNORE INTO cognate_jobs (
  organization_id, scope, id, record_id, model, source, announced, status, due_at, created_at,
  updated_at)
SELECT value ->> 'organization', value ->> 'scope', value ->> 'job', value ->> 'record',
  value ->> 'model', 'message', 1, 'running', '', ?2, ?2
FROM json_each(?1)
"""
