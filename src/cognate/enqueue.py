"""Have a text or a record embedded: write the job down, then announce it.

Durable first: the job is in D1 before its message is sent, so a send that fails loses nothing; the
sweeper sends it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.collections import Collection, collection_of, texts_of
from cognate.errors import FieldError, InvalidInput, ModelMismatch, NotFound
from cognate.ids import new_id
from cognate.models import DEFAULT_MODEL, MODELS, EmbeddingModel
from cognate.ports import Statement
from cognate.queueing import JOB_PREFIX, Wanted, announce, queue_statements, release_statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from cognate.definitions import Table
    from cognate.ports import Platform
    from cognate.principal import OrganizationId


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
    queue = queue_statements(
        collection,
        organization_id,
        [Wanted(job_id)],
        source="api",
        now=now,
        condition="TRUE",
        job_ids=[job_id],
    )
    statements = [insert, *queue, release_statement(organization_id, now)]
    *_, released = await platform.database.batch(statements)
    await announce(platform, released)
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
    queue = queue_statements(
        collection,
        organization_id,
        [Wanted(record_id, content)],
        source="api",
        now=now,
        condition=collection.live_record,
    )
    *_, queued, released = await platform.database.batch(
        [*queue, release_statement(organization_id, now)]
    )
    if not queued:
        message = f"There is no such record in the table {table.name!r} of your organization."
        raise NotFound("record", message)
    await announce(platform, released)
    return QueuedJob(queued[0]["id"], collection, record_id)


def _model(name: str | None) -> EmbeddingModel:
    try:
        return MODELS[name or DEFAULT_MODEL]
    except KeyError:
        raise InvalidInput(
            FieldError("/model", f"must be one of {', '.join(MODELS)}"),
        ) from None
