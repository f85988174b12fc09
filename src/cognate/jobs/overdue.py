"""Find open jobs whose message is lost or whose handler died, and queue them again.

A batch that finishes announces the next jobs of its organizations. So an organization with a
message in the queue needs no help. The sweeper announces jobs of organizations that have no
message, sends overdue messages again, and takes back jobs whose handler died.

Each run looks at a bounded number of organizations and stores where it stopped. So every
organization gets its turn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Row

MAX_LOOKED_AT: Final = 500
"""Most organizations that one run checks for waiting jobs that nothing announces."""

MAX_SEARCHED: Final = 5000
"""Most organizations whose windows one run searches for overdue jobs. Each costs two index steps,
and one for each job in the queue. Most deployments have fewer organizations, so a lost message or a
dead handler is noticed within a minute."""

MAX_HELPED: Final = 20
"""Most organizations whose waiting jobs one run announces, with up to 500 messages each."""

MAX_OVERDUE: Final = 500
"""Most overdue jobs that one run announces or takes back. They take five calls of the queue."""

FIRST_PATIENCE_MINUTES: Final = 2
"""Minutes until a job that was announced again is overdue again. For an older job the time is its
age."""


def look_statements(now: datetime) -> list[Statement]:
    """Find organizations to help, and overdue jobs.

    Returns:
        Three statements. The first returns (cursor), the organization at which an earlier run
        stopped. The second returns (organization_id, stalled) of the organizations that follow it,
        in order. The third returns (organization_id, scope, id, record_id, status) of overdue jobs.
    """
    moment = to_iso(now)
    return [
        Statement(_CURSOR),
        Statement(_LOOK_AT, (moment, MAX_LOOKED_AT)),
        Statement(_OVERDUE, (moment, MAX_SEARCHED, MAX_OVERDUE)),
    ]


_CURSOR: Final = "SELECT value AS cursor FROM cognate_cursors WHERE name = 'open'"

_LATER: Final = """
later (organization_id, number) AS (
  SELECT (
    SELECT MIN(organization_id) FROM cognate_jobs INDEXED BY cognate_jobs_open
    WHERE completed_at IS NULL AND organization_id > COALESCE((
      SELECT value AS cursor FROM cognate_cursors WHERE name = 'open'), '')), 1
  UNION ALL SELECT (
    SELECT MIN(organization_id) FROM cognate_jobs INDEXED BY cognate_jobs_open
    WHERE completed_at IS NULL AND organization_id > later.organization_id), number + 1
  FROM later WHERE later.organization_id IS NOT NULL AND number < ?2)
"""
"""The organizations with open jobs that follow the cursor, at most ?2. NULL follows the last
one."""

_LOOK_AT: Final = f"""
WITH RECURSIVE {_LATER}
SELECT organization_id,
  EXISTS (SELECT 1 FROM cognate_jobs w INDEXED BY cognate_jobs_waiting
    WHERE w.organization_id = later.organization_id AND w.completed_at IS NULL
      AND w.announced = 0)
  AND NOT EXISTS (SELECT 1 FROM cognate_jobs f INDEXED BY cognate_jobs_open
    WHERE f.organization_id = later.organization_id AND f.completed_at IS NULL
      AND f.announced = 1 AND f.attempts = 0 AND f.due_at > ?1) AS stalled
FROM later WHERE organization_id IS NOT NULL ORDER BY number
"""  # noqa: S608 - constants

_OVERDUE: Final = f"""
WITH RECURSIVE {_LATER},
-- The organizations with open jobs up to the cursor.
sooner (organization_id, number) AS (
  SELECT (
    SELECT MIN(organization_id) FROM cognate_jobs INDEXED BY cognate_jobs_open
    WHERE completed_at IS NULL AND organization_id <= (
      SELECT value AS cursor FROM cognate_cursors WHERE name = 'open')), 1
  UNION ALL SELECT (
    SELECT MIN(organization_id) FROM cognate_jobs INDEXED BY cognate_jobs_open
    WHERE completed_at IS NULL AND organization_id > sooner.organization_id
      AND organization_id <= (
        SELECT value AS cursor FROM cognate_cursors WHERE name = 'open')), number + 1
  FROM sooner WHERE sooner.organization_id IS NOT NULL AND number < ?2),
busy AS (
  SELECT organization_id FROM (
    SELECT organization_id FROM later UNION ALL SELECT organization_id FROM sooner)
  WHERE organization_id IS NOT NULL LIMIT ?2)
SELECT organization_id, scope, id, record_id, status FROM (
  SELECT * FROM cognate_jobs INDEXED BY cognate_jobs_due
  WHERE completed_at IS NULL AND announced = 2 AND due_at < ?1
  ORDER BY due_at LIMIT ?3)
UNION ALL
SELECT * FROM (
  SELECT j.organization_id, j.scope, j.id, j.record_id, j.status
  FROM busy CROSS JOIN cognate_jobs j INDEXED BY cognate_jobs_open
    ON j.organization_id = busy.organization_id AND j.announced = 1 AND j.completed_at IS NULL
  WHERE j.due_at < ?1 LIMIT ?3)
"""  # noqa: S608 - constants


def chosen(looked_at: Sequence[Row]) -> tuple[list[str], str]:
    """Choose the organizations to help, and the cursor for the next run.

    An empty cursor means that the next run begins with the first organization.
    """
    stalled = [row["organization_id"] for row in looked_at if row["stalled"]]
    if len(stalled) > MAX_HELPED:
        return stalled[:MAX_HELPED], stalled[MAX_HELPED - 1]
    end = looked_at[-1]["organization_id"] if len(looked_at) == MAX_LOOKED_AT else ""
    return stalled, end


def remember_statements(before: Sequence[Row], cursor: str) -> list[Statement]:
    """Store the cursor if it has changed."""
    if cursor == (before[0]["cursor"] if before else ""):
        return []
    sql = "INSERT OR REPLACE INTO cognate_cursors (name, value) VALUES ('open', ?1)"
    return [Statement(sql, (cursor,))]


def take_back_statements(lapsed: Sequence[Row], now: datetime) -> list[Statement]:
    """Queue running jobs again whose lease has ended.

    A record has at most one queued job, so an older job of the record is superseded instead.

    Args:
        lapsed: rows of (organization_id, scope, id, record_id).
        now: the time.
    """
    if not lapsed:
        return []
    payload = json.dumps([dict(row) for row in lapsed])
    return [
        Statement(_FORCE_NEXT, (payload,)),
        Statement(_TAKE_BACK, (payload, to_iso(now))),
    ]


# The handler that died may have written to the index, so the next job must write again.
_FORCE_NEXT: Final = """
UPDATE cognate_jobs SET forced = 1
WHERE (organization_id, scope, id) IN (
  SELECT q.organization_id, q.scope, q.id
  FROM json_each(?1) CROSS JOIN cognate_jobs q INDEXED BY cognate_jobs_by_record
    ON q.organization_id = json_each.value ->> 'organization_id'
    AND q.scope = json_each.value ->> 'scope'
    AND q.record_id = json_each.value ->> 'record_id'
  WHERE +q.status = 'queued')
"""

_TAKE_BACK: Final = """
UPDATE cognate_jobs SET
  completed_at = CASE WHEN EXISTS (
      SELECT 1 FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
      WHERE q.organization_id = cognate_jobs.organization_id AND q.scope = cognate_jobs.scope
        AND q.record_id = cognate_jobs.record_id AND q.id <> cognate_jobs.id
        AND (+q.status = 'queued' OR q.id > cognate_jobs.id
          AND (q.organization_id, q.scope, q.id) IN (
            SELECT value ->> 'organization_id', value ->> 'scope', value ->> 'id'
            FROM json_each(?1))))
    THEN ?2 END,
  status = CASE WHEN EXISTS (
      SELECT 1 FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
      WHERE q.organization_id = cognate_jobs.organization_id AND q.scope = cognate_jobs.scope
        AND q.record_id = cognate_jobs.record_id AND q.id <> cognate_jobs.id
        AND (+q.status = 'queued' OR q.id > cognate_jobs.id
          AND (q.organization_id, q.scope, q.id) IN (
            SELECT value ->> 'organization_id', value ->> 'scope', value ->> 'id'
            FROM json_each(?1))))
    THEN 'superseded' ELSE 'queued' END,
  updated_at = ?2
WHERE (organization_id, scope, id) IN (
    SELECT value ->> 'organization_id', value ->> 'scope', value ->> 'id' FROM json_each(?1))
  AND +status = 'running'
"""


def announce_again_statement(overdue: Sequence[Row], now: datetime) -> Statement:
    """Announce overdue jobs. The time until a job is overdue again doubles with each announcement.

    Returns:
        A statement that returns (id, organization_id, scope) of those that are queued.
    """
    payload = json.dumps([dict(row) for row in overdue])
    return Statement(_ANNOUNCE_AGAIN, (payload, to_iso(now), FIRST_PATIENCE_MINUTES))


_ANNOUNCE_AGAIN: Final = """
UPDATE cognate_jobs SET
  announced = 2,
  due_at = strftime('%Y-%m-%dT%H:%M:%fZ',
    julianday(?2) + MAX(?3 / 1440.0, julianday(?2) - julianday(created_at)))
WHERE (organization_id, scope, id) IN (
    SELECT value ->> 'organization_id', value ->> 'scope', value ->> 'id' FROM json_each(?1))
  AND +status = 'queued'
RETURNING id, organization_id, scope
"""
