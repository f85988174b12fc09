"""Messages that ran out of deliveries: written on their jobs, not run again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognate.events import emit
from cognate.ids import vector_key
from cognate.jobs.messages import ForeignText, JobReference
from cognate.ports import Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.messages import Received
    from cognate.ports import Platform


async def record_dead_letters(platform: Platform, received: Sequence[Received]) -> None:
    """Fail the jobs of these messages whose handler died, with the code of what failed last.

    A job that waits stays queued, and the sweeper sends its message again when it is due. What it
    waits for, the code on it, is the platform's fault and not the record's: an outage that lasts
    longer than a message costs time only. Or its record was written again, and another message is
    on its way.

    A text of another Worker that never got its job gets a failed one, which can be replayed.

    Raises:
        DatabaseError: nothing was written; the messages must be delivered again.
    """
    now = platform.clock.now()
    moment = to_iso(now)
    ids: list[str] = []
    unknown: list[dict[str, str | bool]] = []
    for item in received:
        match item.message:
            case JobReference():
                ids.append(item.job_id)
            case ForeignText() as text:
                ids.append(item.job_id)
                record_id = text.record_id or item.job_id
                scope = text.collection.scope
                unknown.append(
                    {
                        "job": item.job_id,
                        "organization": text.organization_id,
                        "scope": scope,
                        "record": record_id,
                        "key": vector_key(text.organization_id, scope, record_id),
                        "model": text.collection.model.name,
                        "binding": text.collection.model.index_binding,
                        "is_text": text.record_id is None,
                        "content": text.content,
                    }
                )
            case _:
                pass  # It was recorded when it first came.
    statements = [
        *(item for payload in json_groups(unknown) for item in _keep(payload, now)),
        # A handler that died may have written to the index: whoever is next must write again.
        Statement(
            "UPDATE cognate_embeddings SET index_hash = NULL FROM cognate_jobs j "
            "WHERE j.id IN (SELECT value FROM json_each(?1)) AND j.status = 'running' "
            "AND cognate_embeddings.organization_id = j.organization_id "
            "AND cognate_embeddings.scope = j.scope AND cognate_embeddings.record_id = j.record_id",
            (json.dumps(ids),),
        ),
        Statement(
            "UPDATE cognate_jobs SET status = 'failed', completed_at = ?2, updated_at = ?2, "
            "error_message = 'It was tried as often as the queue allows. ' || "
            "COALESCE(error_message, 'Its handler never finished.'), "
            "error_code = COALESCE(error_code, 'RETRIES_EXHAUSTED') "
            "WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'running' "
            "RETURNING id, error_code",
            (json.dumps(ids), moment),
        ),
        Statement(
            "SELECT id, error_code FROM cognate_jobs "
            "WHERE id IN (SELECT value FROM json_each(?1)) AND status = 'queued' "
            "AND error_code IS NOT NULL",
            (json.dumps(ids),),
        ),
    ]
    *_, failed, waiting = await platform.database.batch(statements)
    for row in waiting:
        emit("job.waiting", job=row["id"], code=row["error_code"])
    for row in failed:
        emit("job.failed", job=row["id"], code=row["error_code"], dead_letter=True)


def _keep(payload: str, now: datetime) -> list[Statement]:
    """Write down texts of other Workers that never got their job, so that it can be replayed.

    Such a text counts from now on, as if it had arrived; but it takes the place of nothing that a
    pending job of its record is about.
    """
    moment = to_iso(now)
    return [
        Statement(
            "INSERT OR IGNORE INTO cognate_texts (organization_id, id, content, created_at) "
            "SELECT value ->> 'organization', value ->> 'record', value ->> 'content', ?2 "
            "FROM json_each(?1) WHERE value ->> 'is_text'",
            (payload, moment),
        ),
        Statement(
            "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key, "
            "revision, index_bindings, posted_text) SELECT value ->> 'organization', "
            "value ->> 'scope', value ->> 'record', value ->> 'key', ?2, "
            "json_array(value ->> 'binding'), "
            "CASE WHEN NOT value ->> 'is_text' THEN value ->> 'content' END FROM json_each(?1) "
            "WHERE NOT EXISTS (SELECT 1 FROM cognate_jobs WHERE id = value ->> 'job') "
            "AND NOT EXISTS (SELECT 1 FROM cognate_jobs p "
            "WHERE p.organization_id = value ->> 'organization' AND p.scope = value ->> 'scope' "
            "AND p.record_id = value ->> 'record' AND +p.status IN ('queued', 'running')) "
            "ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET "
            "revision = revision + 1, posted_text = excluded.posted_text",
            (payload, to_milliseconds(now)),
        ),
        Statement(
            "INSERT OR IGNORE INTO cognate_jobs (id, organization_id, scope, record_id, model, "
            "source, announced, status, due_at, created_at, updated_at) "
            "SELECT value ->> 'job', value ->> 'organization', value ->> 'scope', "
            "value ->> 'record', value ->> 'model', 'message', 1, 'running', '', ?2, ?2 "
            "FROM json_each(?1)",
            (payload, moment),
        ),
    ]
