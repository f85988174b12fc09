"""The SQL that stores in `cognate_embeddings` what the vectors of records must follow.

A record's revision rises with each write that its vectors must follow. `cognate.embedding.keep`
stores what the vectors are, for the revision that was read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.ids import vector_key
from cognate.ports import Statement
from cognate.times import to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.embedding.request import EmbeddingRequest
    from cognate.jobs.conditions import JobCondition
    from cognate.jobs.messages import JobKey
    from cognate.ports import Row
    from cognate.schema.collections import Collection


def raise_revisions(  # noqa: PLR0913 - each is in the statement
    collection: Collection,
    organization_id: str,
    requests: Sequence[EmbeddingRequest],
    *,
    condition: JobCondition,
    token: str,
    now: datetime,
    counted: bool,
) -> Statement:
    """Raise the revisions of records whose vectors must follow; make the rows that are missing.

    A row of a record that its trigger has `counted` has its new revision already.
    """
    payload = json.dumps(
        [
            {
                "record": request.record_id,
                "key": vector_key(organization_id, collection.scope, request.record_id),
                "posted": request.posted_text,
                "keeps": int(request.keeps_posted),
                "token": token,
            }
            for request in requests
        ],
        ensure_ascii=False,  # a hundred posted texts stay below what D1 takes for one value
    )
    other_text = "excluded.posted_text IS NOT cognate_embeddings.posted_text"
    conflict = (
        "DO NOTHING"
        if counted
        else "DO UPDATE SET "
        "revision = revision + 1, posted_text = excluded.posted_text, record_gone = 0, "
        # The table's trigger counts no text that is posted.
        f"changes = changes + ({other_text}), "
        # The index names the record as it was: until a job has written it, D1 is compared.
        f"index_hash = CASE WHEN changes = changes_seen AND NOT ({other_text}) THEN index_hash END"
    )
    return Statement(
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "  # noqa: S608 - a condition of ours
        "revision, index_bindings, posted_text) "
        "SELECT ?1, ?2, value ->> 'record', value ->> 'key', ?4, json_array(?5), "
        "CASE WHEN value ->> 'keeps' THEN (SELECT p.posted_text FROM cognate_embeddings p "
        # The key of a record's vectors has its organization in it.
        "WHERE p.vector_key = value ->> 'key') "
        f"ELSE value ->> 'posted' END FROM json_each(?3) WHERE {condition.sql(collection)} "
        f"ON CONFLICT (organization_id, scope, record_id) {conflict}",
        (
            organization_id,
            collection.scope,
            payload,
            to_milliseconds(now),
            collection.model.index_binding,
        ),
    )


def arrive_statement(payload: str, now: datetime) -> Statement:
    """Store that texts of other Workers arrived, where their jobs are not there yet.

    What a job that gives way to one of these left in the index is not known.

    Args:
        payload: a JSON list of rows: `organization`, `scope`, `job`, `record`, `key`, `binding`,
            `is_text`, `content` and `status`.
        now: the time.
    """
    return Statement(_ARRIVE, (payload, to_milliseconds(now)))


_ARRIVE: Final = """
INSERT INTO cognate_embeddings (
  organization_id, scope, record_id, vector_key, revision, index_bindings, posted_text)
SELECT value ->> 'organization', value ->> 'scope', value ->> 'record', value ->> 'key', ?2,
  json_array(value ->> 'binding'), CASE WHEN NOT value ->> 'is_text' THEN value ->> 'content' END
FROM json_each(?1)
WHERE value ->> 'status' = 'running' AND NOT EXISTS (
  SELECT 1 FROM cognate_jobs k
  WHERE k.organization_id = json_each.value ->> 'organization'
    AND k.scope = json_each.value ->> 'scope' AND k.id = json_each.value ->> 'job')
ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET
  revision = revision + 1, changes = changes + 1, posted_text = excluded.posted_text,
  index_hash = NULL
"""


def arrive_late_statement(payload: str, now: datetime) -> Statement:
    """Store that texts of other Workers arrived at last, whose messages are dead letters.

    Such a text counts from now on. It takes the place of nothing that an open job of its record is
    about. See `arrive_statement`.
    """
    return Statement(_ARRIVE_LATE, (payload, to_milliseconds(now)))


_ARRIVE_LATE: Final = """
INSERT INTO cognate_embeddings (
  organization_id, scope, record_id, vector_key, revision, index_bindings, posted_text)
SELECT value ->> 'organization', value ->> 'scope', value ->> 'record', value ->> 'key', ?2,
  json_array(value ->> 'binding'), CASE WHEN NOT value ->> 'is_text' THEN value ->> 'content' END
FROM json_each(?1)
WHERE NOT EXISTS (
  SELECT 1 FROM cognate_jobs k
  WHERE k.organization_id = json_each.value ->> 'organization'
    AND k.scope = json_each.value ->> 'scope' AND k.id = json_each.value ->> 'job')
AND NOT EXISTS (
  SELECT 1 FROM cognate_jobs p INDEXED BY cognate_jobs_by_record
  WHERE p.organization_id = value ->> 'organization' AND p.scope = value ->> 'scope'
    AND p.record_id = value ->> 'record' AND +p.status IN ('queued', 'running'))
ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET
  revision = revision + 1, posted_text = excluded.posted_text
"""


def doubt_records(records: Sequence[Row]) -> list[Statement]:
    """Note that the index may hold anything of these records: whoever is next must write again.

    Args:
        records: rows of (organization_id, scope, record_id).
    """
    if not records:
        return []
    return [
        Statement(
            "UPDATE cognate_embeddings SET index_hash = NULL "
            "WHERE (organization_id, scope, record_id) IN (SELECT value ->> 'organization_id', "
            "value ->> 'scope', value ->> 'record_id' FROM json_each(?1))",
            (json.dumps([dict(row) for row in records]),),
        )
    ]


def doubt_running_statement(keys: Sequence[JobKey]) -> Statement:
    """Note that the index may hold anything of the records of those jobs that are running."""
    return Statement(_DOUBT_RUNNING, (json.dumps([key.fields() for key in keys]),))


_DOUBT_RUNNING: Final = """
UPDATE cognate_embeddings SET index_hash = NULL
WHERE (organization_id, scope, record_id) IN (
  SELECT j.organization_id, j.scope, j.record_id FROM json_each(?1) m CROSS JOIN cognate_jobs j
    ON j.organization_id = m.value ->> 'organization' AND j.scope = m.value ->> 'scope'
    AND j.id = m.value ->> 'job'
  WHERE +j.status = 'running')
"""


def give_up_posted_statement(organization_id: str, keys: Sequence[tuple[str, str]]) -> Statement:
    """Let records say again what they say, where the job of a posted text is given up.

    A text stays where a newer job of its record embeds it, or has done so.

    Args:
        organization_id: whose jobs they are.
        keys: (scope, id) of failed jobs.
    """
    return Statement(_GIVE_UP_POSTED, (organization_id, json.dumps(keys)))


_GIVE_UP_POSTED: Final = """
UPDATE cognate_embeddings SET posted_text = NULL,
  -- The vectors may be those of an earlier text. A job finds out.
  changes = changes + 1
WHERE organization_id = ?1 AND posted_text IS NOT NULL AND (scope, record_id) IN (
  SELECT f.scope, f.record_id FROM cognate_jobs f
  WHERE f.organization_id = ?1
    AND (f.scope, f.id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
    AND +f.status = 'failed' AND f.source IN ('api', 'message')
    AND NOT EXISTS (
      SELECT 1 FROM cognate_jobs d INDEXED BY cognate_jobs_by_record
      WHERE d.organization_id = f.organization_id AND d.scope = f.scope
        AND d.record_id = f.record_id AND +d.status = 'done' AND d.embeds >= f.embeds
        AND (d.completed_at, d.id) > (f.completed_at, f.id))
    AND NOT EXISTS (
      SELECT 1 FROM cognate_jobs o INDEXED BY cognate_jobs_by_record
      WHERE o.organization_id = ?1 AND o.scope = f.scope AND o.record_id = f.record_id
        AND +o.status IN ('queued', 'running')))
"""
