"""Have a text or a record embedded: write the job down, then announce it.

Durable first: the job is in D1 before its message is sent, so a send that fails loses nothing; the
sweeper sends it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.collections import Collection, collection_of, texts_of
from cognate.errors import FieldError, InvalidInput, ModelMismatch, NotFound, QueueError
from cognate.events import emit
from cognate.ids import new_id, vector_key
from cognate.jobs import JOB_PREFIX
from cognate.messages import reference
from cognate.models import DEFAULT_MODEL, MODELS, EmbeddingModel
from cognate.ports import Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.definitions import Table
    from cognate.ports import Platform
    from cognate.principal import OrganizationId

DELIVERY_PATIENCE: Final = timedelta(minutes=5)
"""How long a job may wait for its message before the sweeper sends another."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that was accepted.

    Attributes:
        id: of the job. Where one for the same record was still waiting, that one's id: it embeds
            what the record says when its turn comes.
        collection: where the vector will be found.
        record_id: None for a text without a table.
    """

    id: str
    collection: Collection
    record_id: str | None


async def enqueue_text(
    platform: Platform, organization_id: OrganizationId, content: str, model_name: str | None
) -> QueuedJob:
    """Have a text embedded that belongs to no table; it is found under its job's id.

    Raises:
        InvalidInput: the catalogue has no such model.
        DatabaseError: nothing was accepted.
    """
    collection = texts_of(_model(model_name))
    now = platform.clock.now()
    job_id = new_id(JOB_PREFIX, now)
    insert = Statement(
        "INSERT INTO cognate_texts (organization_id, id, content, created_at) "
        "VALUES (?1, ?2, ?3, ?4)",
        (organization_id, job_id, content, to_iso(now)),
    )
    statements = [
        insert,
        *_job_statements(collection, organization_id, job_id, job_id=job_id, now=now),
    ]
    await platform.database.batch(statements)
    await announce(platform, [(job_id, collection.scope)])
    return QueuedJob(job_id, collection, None)


async def enqueue_record(  # noqa: PLR0913 - each is one field of the request
    platform: Platform,
    organization_id: OrganizationId,
    table: Table,
    record_id: str,
    *,
    content: str | None = None,
    model_name: str | None = None,
) -> QueuedJob:
    """Have a record of the organization embedded.

    Args:
        platform: the ports.
        organization_id: whose record it is.
        table: the record's table.
        record_id: of the record.
        content: the text to embed in place of what the record says, until it is next written;
            None to embed what it says.
        model_name: None, or the table's own.

    Raises:
        NotFound: no such record in this organization, or a table that embeds nothing.
        InvalidInput: the catalogue has no such model.
        ModelMismatch: a model that is not the table's.
        DatabaseError: nothing was accepted.
    """
    collection = collection_of(table)
    if collection is None:
        raise NotFound("table", f"The table {table.name!r} has no embeddings.")
    if model_name is not None and _model(model_name) is not collection.model:
        message = (
            f"The table {table.name!r} is embedded by {collection.model.name}; vectors of another "
            "model cannot be compared with its own. Leave out `model`."
        )
        raise ModelMismatch(message)
    now = platform.clock.now()
    statements = _job_statements(
        collection,
        organization_id,
        record_id,
        job_id=new_id(JOB_PREFIX, now),
        content=content,
        now=now,
    )
    *_, queued = await platform.database.batch(statements)
    if not queued:
        message = f"There is no such record in the table {table.name!r} of your organization."
        raise NotFound("record", message)
    job_id: str = queued[0]["id"]
    await announce(platform, [(job_id, collection.scope)])
    return QueuedJob(job_id, collection, record_id)


async def announce(platform: Platform, jobs: Sequence[tuple[str, str]]) -> None:
    """Send the messages of jobs that are in D1 already, given as (id, scope).

    A queue that does not take them is an event, not an error: the sweeper sends them when they are
    due.
    """
    if not jobs:
        return
    try:
        await platform.queue.send([reference(job_id, scope) for job_id, scope in jobs])
    except QueueError as error:
        emit("queue.send_failed", jobs=len(jobs), error=error.code)


def _model(name: str | None) -> EmbeddingModel:
    try:
        return MODELS[name or DEFAULT_MODEL]
    except KeyError:
        raise InvalidInput(
            FieldError("/model", f"must be one of {', '.join(MODELS)}"),
        ) from None


def _job_statements(  # noqa: PLR0913 - each is a column
    collection: Collection,
    organization_id: OrganizationId,
    record_id: str,
    *,
    job_id: str,
    now: datetime,
    content: str | None = None,
) -> list[Statement]:
    """Raise the record's revision and queue a job for it, provided that the record exists.

    The last statement returns the id of the queued job, or no row where there is no such record.
    """
    key = vector_key(organization_id, collection.scope, record_id)
    found = f'FROM "{collection.sql_table}" WHERE organization_id = ?1 AND id = ?3'
    raise_revision = (
        "INSERT INTO cognate_embeddings (organization_id, scope, record_id, vector_key) "
        f"SELECT ?1, ?2, id, ?4 {found} "
        "ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET revision = revision + 1"
    )
    queue = (
        "INSERT INTO cognate_jobs (organization_id, scope, record_id, id, model, content, source, "
        "status, due_at, created_at, updated_at) "
        f"SELECT ?1, ?2, id, ?4, ?5, ?6, 'api', 'queued', ?7, ?8, ?8 {found} "
        "ON CONFLICT (organization_id, scope, record_id) WHERE status = 'queued' "
        "DO UPDATE SET content = excluded.content, updated_at = excluded.updated_at "
        "RETURNING id"
    )
    due = to_iso(now + DELIVERY_PATIENCE)
    return [
        Statement(raise_revision, (organization_id, collection.scope, record_id, key)),
        Statement(
            queue,
            (
                organization_id,
                collection.scope,
                record_id,
                job_id,
                collection.model.name,
                content,
                due,
                to_iso(now),
            ),
        ),
    ]
