"""The first D1 call of a wave: start its jobs, and read the records that they are about."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.fingerprint import content_hash, index_hash
from cognate.embedding.waves import MAX_COLUMN_CHARACTERS, start_statement, startable_statement
from cognate.ids import derived_id, vector_key
from cognate.jobs.messages import ForeignText, JobReference, Malformed, Message
from cognate.jobs.queue import JOB_PREFIX
from cognate.ports import FLOAT32_BYTES, Row, Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.messages import Delivery
    from cognate.ports import Database, Scalar
    from cognate.schema.collections import Collection, Collections

LEASE: Final = timedelta(minutes=5)
"""How long a started job is left to whoever started it. A batch takes seconds; Cloudflare ends a
consumer after 15 minutes. Where two run the same job, the revision decides whose result counts."""


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this batch has started.

    Attributes:
        source: who asked: `api`, `message`, `repair` and so on.
        charges: failures by its own fault so far.
        attempts: times it was started, this one included.
    """

    id: str
    source: str
    charges: int
    attempts: int


@dataclass
class Task:
    """One record to look at again, for one or more jobs of this batch.

    Attributes:
        embeds: False where a changed text is not to be embedded, only indexed as it is stored.
        exists: whether there is such a record now.
        text: what is to be embedded; empty when there is nothing to embed.
        revision: of the record when it was read; a result counts only while it is still this one.
        stored_hash: content hash of the vectors in D1; None without any.
        stored_index_hash: of what the index was last given; None where that is not known.
        stored_chunks: number of vectors in D1.
        changes: number of the last change of the record that is in what was read.
        max_chunks: no chunk number of this or above was ever written for this record.
        index_bindings: of the indexes that may hold vectors of this record.
        is_uncertain: whether an earlier try may have written to the index and not said so.
    """

    collection: Collection
    organization_id: str
    record_id: str
    vector_key: str
    jobs: list[ClaimedJob]
    embeds: bool
    exists: bool
    text: str
    metadata: dict[str, Scalar]
    revision: int
    stored_hash: str | None
    stored_index_hash: str | None
    stored_chunks: list[list[int]]
    max_chunks: int
    is_uncertain: bool
    changes: int = 0
    index_bindings: tuple[str, ...] = ()
    content_hash: str = field(init=False)
    is_behind: bool = field(init=False, default=False)
    index_hash: str = field(init=False)

    def __post_init__(self) -> None:
        """Hash what is to be stored."""
        self.content_hash = content_hash(self.text, self.collection.model)
        if not self.embeds and self.stored_hash is not None:
            self.is_behind = self.content_hash != self.stored_hash
            self.content_hash = self.stored_hash
        self.index_hash = index_hash(self.content_hash, self.metadata)

    @property
    def is_gone(self) -> bool:
        """Whether the record has nothing that could be found."""
        return not self.exists or not self.text.strip()


@dataclass(frozen=True)
class Claim:
    """What a wave got.

    Attributes:
        tasks: the records to look at, each once.
        orphans: jobs whose table is no longer in the schema, or whose state row is missing.
        waiting: organizations that have jobs which are not announced yet.
        left: ids of jobs that did not fit into this wave; they are not started.
    """

    tasks: list[Task]
    orphans: list[ClaimedJob]
    waiting: list[str]
    left: list[str]


def jobs_of(messages: Sequence[tuple[Delivery, Message]]) -> dict[str, str]:
    """Message id to the id of the job it stands for; malformed messages are left out."""
    found: dict[str, str] = {}
    for delivery, message in messages:
        match message:
            case JobReference():
                found[delivery.message_id] = message.job_id
            case ForeignText():
                found[delivery.message_id] = derived_id(JOB_PREFIX, delivery.message_id)
    return found


async def claim(
    database: Database,
    collections: Collections,
    messages: Sequence[tuple[Delivery, Message]],
    now: datetime,
    left: Sequence[str] | None = None,
) -> Claim:
    """Record what arrived, start the jobs of one wave, and read their records.

    One D1 call, whatever the size of the batch. A job is started when it is queued; when it is
    running but its message came back or its lease is over, whoever ran it has died. Which jobs
    start together is decided by `cognate.embedding.waves`.

    Args:
        database: D1.
        collections: all that the schema has.
        messages: of the batch.
        now: the time.
        left: what the claim of the wave before left; None for the first wave of the batch.

    Raises:
        DatabaseError: nothing was started.
    """
    job_of_message = jobs_of(messages)
    arrived: list[dict[str, Any]] = []
    scopes: set[str] = set()
    for delivery, message in messages:
        match message:
            case JobReference():
                scopes.add(message.scope)
            case ForeignText():
                scopes.add(message.collection.scope)
                arrived.append(_arrival(job_of_message[delivery.message_id], message))
            case Malformed():
                arrived.append(_rejection(derived_id(JOB_PREFIX, delivery.message_id), message))
    redelivered = [
        job_of_message[delivery.message_id]
        for delivery, _ in messages
        if delivery.attempts > 1 and delivery.message_id in job_of_message
    ]
    # A reference without a scope that is known may be about any table.
    known = [collections.get(scope) for scope in sorted(scopes)]
    reads = [item for item in known if item] if all(known) else list(collections)
    ids = sorted(set(job_of_message.values())) if left is None else left
    moment, lease_end = to_iso(now), to_iso(now + LEASE)
    statements = [
        *(_arrival_statements(arrived, now) if left is None else ()),
        startable_statement(ids, redelivered, moment),
        start_statement(list(collections), ids, redelivered, moment, lease_end),
        _waiting(ids),
        *(_read(collection, ids, lease_end) for collection in reads),
    ]
    answers = await database.batch(statements)
    startable, started_rows, waiting_rows, *read_rows = answers[-len(reads) - 3 :]
    # The hint of a message was wrong: D1 knows better.
    missed = [
        found
        for scope in sorted({row["scope"] for row in started_rows})
        if (found := collections.get(scope)) and found not in reads
    ]
    if missed:
        read_rows += await database.batch(
            [_read(collection, ids, lease_end) for collection in missed]
        )
        reads = [*reads, *missed]
    started = {
        row["id"]: ClaimedJob(row["id"], row["source"], row["charges"], row["attempts"])
        for row in started_rows
    }
    tasks: dict[tuple[str, str, str], Task] = {}
    seen: set[str] = set()
    for collection, rows in zip(reads, read_rows, strict=True):
        for row in rows:
            if row["job_id"] in started:
                seen.add(row["job_id"])
                _add_task(tasks, collection, row, started[row["job_id"]])
    orphans = [job for job_id, job in started.items() if job_id not in seen]
    waiting = [row["organization_id"] for row in waiting_rows]
    rest = [row["id"] for row in startable if row["id"] not in started]
    return Claim(list(tasks.values()), orphans, waiting, rest)


def _add_task(
    tasks: dict[tuple[str, str, str], Task], collection: Collection, row: Row, job: ClaimedJob
) -> None:
    key = (collection.scope, row["organization_id"], row["record_id"])
    earlier = tasks.get(key)
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    exists = row["found"] is not None
    rendered = collection.text_of(fields) if exists else ""
    chunks: list[list[int]] = json.loads(row["chunks"])
    # A record that was deleted and made again has lost the vectors that its state row tells of.
    has_vectors = row["stored_bytes"] == (len(chunks) * collection.model.dimensions * FLOAT32_BYTES)
    # A job that was started before may have written to the index and died before it said so.
    uncertain = (
        bool(row["forced"]) or job.attempts > 1 or (earlier is not None and earlier.is_uncertain)
    )
    tasks[key] = Task(
        collection=collection,
        organization_id=row["organization_id"],
        record_id=row["record_id"],
        vector_key=row["vector_key"],
        jobs=[job, *(earlier.jobs if earlier else [])],
        embeds=bool(row["embeds"]) or (earlier is not None and earlier.embeds),
        exists=exists,
        text=(rendered if row["posted_text"] is None else row["posted_text"]) if exists else "",
        metadata=collection.metadata_of(fields) if exists else {},
        revision=row["revision"],
        stored_hash=row["content_hash"] if has_vectors else None,
        stored_index_hash=None if uncertain else row["index_hash"],
        stored_chunks=chunks,
        max_chunks=row["max_chunks"],
        changes=row["changes"],
        index_bindings=tuple(json.loads(row["index_bindings"])),
        is_uncertain=uncertain,
    )


def _arrival(job_id: str, message: ForeignText) -> dict[str, Any]:
    scope = message.collection.scope
    record_id = message.record_id or job_id
    return {
        "job": job_id,
        "organization": message.organization_id,
        "scope": scope,
        "record": record_id,
        "is_text": message.record_id is None,
        "key": vector_key(message.organization_id, scope, record_id),
        "model": message.collection.model.name,
        "binding": message.collection.model.index_binding,
        "content": message.content,
        "status": "running",
    }


def _rejection(job_id: str, message: Malformed) -> dict[str, Any]:
    return {
        "job": job_id,
        "organization": message.organization_id,
        "scope": "",
        "status": "failed",
        "code": "MESSAGE_MALFORMED",
        "message": f"The queue message was not understood: {message.reason}.",
    }


def _arrival_statements(arrived: Sequence[dict[str, Any]], now: datetime) -> list[Statement]:
    """Write down the jobs of messages that had none; the same message twice is one job.

    A job with a text starts out as running and overdue, so that `_start` takes it, and takes it
    again when its message comes back.
    """
    return [
        statement
        for payload in json_groups(arrived)
        for statement in _arrival_group(payload, to_iso(now), to_milliseconds(now))
    ]


def _arrival_group(payload: str, moment: str, milliseconds: int) -> list[Statement]:
    completed = "CASE value ->> 'status' WHEN 'failed' THEN ?2 END"
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
            "CASE WHEN NOT value ->> 'is_text' THEN value ->> 'content' END "
            "FROM json_each(?1) WHERE value ->> 'status' = 'running' "
            "AND NOT EXISTS (SELECT 1 FROM cognate_jobs WHERE id = value ->> 'job') "
            # And what a job that gives way below left in the index is not known.
            "ON CONFLICT (organization_id, scope, record_id) DO UPDATE SET "
            "revision = revision + 1, changes = changes + 1, "
            "posted_text = excluded.posted_text, index_hash = NULL",
            (payload, milliseconds),
        ),
        # The text that comes now is newer than what a waiting job would embed.
        Statement(
            "UPDATE cognate_jobs SET status = 'superseded', completed_at = ?2, updated_at = ?2 "
            "FROM json_each(?1) WHERE status = 'queued' "
            "AND organization_id = value ->> 'organization' AND scope = value ->> 'scope' "
            "AND record_id = value ->> 'record' "
            "AND NOT EXISTS (SELECT 1 FROM cognate_jobs WHERE id = value ->> 'job')",
            (payload, moment),
        ),
        Statement(
            "INSERT OR IGNORE INTO cognate_jobs (id, organization_id, scope, record_id, model, "  # noqa: S608 - a constant
            "source, announced, status, error_code, error_message, due_at, created_at, "
            "updated_at, completed_at) SELECT value ->> 'job', value ->> 'organization', "
            "value ->> 'scope', value ->> 'record', value ->> 'model', 'message', 1, "
            "value ->> 'status', "
            f"value ->> 'code', value ->> 'message', '', ?2, ?2, {completed} FROM json_each(?1)",
            (payload, moment),
        ),
    ]


def _waiting(ids: Sequence[str]) -> Statement:
    return Statement(
        "SELECT DISTINCT j.organization_id FROM cognate_jobs j "
        "WHERE j.id IN (SELECT value FROM json_each(?1)) AND EXISTS (SELECT 1 FROM cognate_jobs w "
        "INDEXED BY cognate_jobs_waiting WHERE w.organization_id = j.organization_id "
        "AND w.status = 'queued' AND w.announced = 0)",
        (json.dumps(ids),),
    )


def _read(collection: Collection, ids: Sequence[str], lease_end: str) -> Statement:
    fields = "".join(
        f", CASE typeof(r.\"{column}\") WHEN 'text' "
        f'THEN substr(r."{column}", 1, {MAX_COLUMN_CHARACTERS}) '
        # A blob is no text, and would come as one number for each of its bytes.
        f'WHEN \'blob\' THEN NULL ELSE r."{column}" END AS "field_{column}"'
        for column in collection.columns
    )
    return Statement(
        "SELECT j.id AS job_id, j.organization_id, j.record_id, j.forced, j.embeds, "  # noqa: S608 - names of the schema
        f'r.id AS found, length(r."{collection.embedding_column}") AS stored_bytes, '
        "s.vector_key, s.revision, s.content_hash, s.index_hash, s.chunks, s.changes, "
        f"s.max_chunks, s.index_bindings, s.posted_text{fields} FROM cognate_jobs j "
        "JOIN cognate_embeddings s ON s.organization_id = j.organization_id "
        "AND s.scope = j.scope AND s.record_id = j.record_id "
        f'LEFT JOIN "{collection.sql_table}" r ON r.organization_id = j.organization_id '
        f"AND r.id = j.record_id{collection.not_deleted} "
        "WHERE j.scope = ?2 AND j.status = 'running' AND j.due_at = ?3 "
        "AND j.id IN (SELECT value FROM json_each(?1)) ORDER BY j.id",
        (json.dumps(ids), collection.scope, lease_end),
    )
