"""Load: start the jobs of a wave, and read the records that they are about, in one D1 call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cognate.chunking import Chunk
from cognate.embedding.fingerprint import content_hash, index_hash
from cognate.embedding.waves import MAX_COLUMN_CHARACTERS, start_statement, startable_statement
from cognate.ids import vector_key
from cognate.jobs.messages import ForeignText, JobReference, Malformed
from cognate.ports import FLOAT32_BYTES, Row, Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.jobs.messages import Received
    from cognate.ports import Database, Scalar
    from cognate.schema.collections import Collection, Collections

LEASE: Final = timedelta(minutes=5)
"""How long a started job is left to whoever started it. A batch takes seconds; Cloudflare ends a
consumer after 15 minutes. Where two run the same job, the revision decides whose result counts."""


@dataclass(frozen=True)
class StartedJob:
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


@dataclass(frozen=True)
class RecordState:
    """What D1 says of one record and of its vectors, for one or more started jobs.

    Attributes:
        jobs: the started jobs of the record, the latest first.
        embeds: False if a changed text is not embedded: only its metadata is followed.
        exists: whether the record is there.
        text: the text to embed; empty if there is none.
        metadata: what filters may ask for.
        revision: a result counts only while the record still has this revision.
        stored_hash: content hash of the vectors in D1; None without vectors.
        stored_index_hash: index hash of what the index was last given; None if that is not known.
        stored_chunks: where each stored chunk lies in its text.
        max_chunks: the index never got a chunk number of this or above for this record.
        is_uncertain: an earlier try may have written to the index without saying so.
        changes: number of the record's last change that was read.
        index_bindings: indexes that may hold vectors of this record.
    """

    collection: Collection
    organization_id: str
    record_id: str
    vector_key: str
    jobs: tuple[StartedJob, ...]
    embeds: bool
    exists: bool
    text: str
    metadata: Mapping[str, Scalar]
    revision: int
    stored_hash: str | None
    stored_index_hash: str | None
    stored_chunks: tuple[Chunk, ...]
    max_chunks: int
    is_uncertain: bool
    changes: int = 0
    index_bindings: tuple[str, ...] = ()

    @cached_property
    def content_hash(self) -> str:
        """Content hash of the text, or of the stored vectors if the text is not embedded."""
        return self._text_hash if self.embeds else self.stored_hash or self._text_hash

    @property
    def is_behind(self) -> bool:
        """Whether the stored vectors are of another text, and stay so."""
        return self.content_hash != self._text_hash

    @cached_property
    def index_hash(self) -> str:
        """Index hash of the content and the metadata."""
        return index_hash(self.content_hash, self.metadata)

    @property
    def is_gone(self) -> bool:
        """Whether the record has nothing that a search could find."""
        return not self.exists or not self.text.strip()

    @cached_property
    def _text_hash(self) -> str:
        return content_hash(self.text, self.collection.model)


@dataclass(frozen=True)
class Wave:
    """The jobs that were started together, and their records.

    Attributes:
        records: each once.
        orphans: jobs whose table is no longer in the schema, or whose state row is missing.
        waiting: organizations that have jobs which are not announced yet.
        left: ids of jobs that did not fit into this wave; they are not started.
    """

    records: list[RecordState]
    orphans: list[StartedJob]
    waiting: list[str]
    left: list[str]


async def load_records(
    database: Database,
    collections: Collections,
    received: Sequence[Received],
    now: datetime,
    left: Sequence[str] | None = None,
) -> Wave:
    """Record what arrived, start the jobs of one wave, and read their records.

    One D1 call, whatever the size of the batch. A queued job can be started. So can a running job
    if its message came back or its lease is over: its consumer has died. `cognate.embedding.waves`
    decides which jobs start together.

    Args:
        database: D1.
        collections: all that the schema has.
        received: the messages of the batch.
        now: the time.
        left: the jobs that the wave before left; None for the first wave of the batch.

    Raises:
        DatabaseError: nothing was started.
    """
    arrived: list[dict[str, Any]] = []
    scopes: set[str] = set()
    for item in received:
        match item.message:
            case JobReference(scope=scope):
                scopes.add(scope)
            case ForeignText(collection=collection) as text:
                scopes.add(collection.scope)
                arrived.append(_arrival(item.job_id, text))
            case Malformed() as malformed:
                arrived.append(_rejection(item.job_id, malformed))
    jobs = [item for item in received if not isinstance(item.message, Malformed)]
    redelivered = [item.job_id for item in jobs if item.attempts > 1]
    # A reference to an unknown scope may be about any table.
    known = [collections.get(scope) for scope in sorted(scopes)]
    reads = [item for item in known if item] if all(known) else list(collections)
    ids = sorted({item.job_id for item in jobs}) if left is None else left
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
        row["id"]: StartedJob(row["id"], row["source"], row["charges"], row["attempts"])
        for row in started_rows
    }
    records: dict[tuple[str, str, str], RecordState] = {}
    for collection, rows in zip(reads, read_rows, strict=True):
        for row in rows:
            if row["job_id"] in started:
                key = (collection.scope, row["organization_id"], row["record_id"])
                records[key] = _state(collection, row, started[row["job_id"]], records.get(key))
    seen = {job.id for record in records.values() for job in record.jobs}
    return Wave(
        records=list(records.values()),
        orphans=[job for job_id, job in started.items() if job_id not in seen],
        waiting=[row["organization_id"] for row in waiting_rows],
        left=[row["id"] for row in startable if row["id"] not in started],
    )


def _state(
    collection: Collection, row: Row, job: StartedJob, earlier: RecordState | None
) -> RecordState:
    """The state of a record, for a job and for the earlier jobs of the same record."""
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    exists = row["found"] is not None
    rendered = collection.text_of(fields) if exists else ""
    chunks = stored_chunks(row["chunks"])
    # A record that was deleted and made again has lost the vectors that its state row tells of.
    has_vectors = row["stored_bytes"] == (len(chunks) * collection.model.dimensions * FLOAT32_BYTES)
    # A job that was started before may have written to the index and died before it said so.
    uncertain = (
        bool(row["forced"]) or job.attempts > 1 or (earlier is not None and earlier.is_uncertain)
    )
    return RecordState(
        collection=collection,
        organization_id=row["organization_id"],
        record_id=row["record_id"],
        vector_key=row["vector_key"],
        jobs=(job, *(earlier.jobs if earlier else ())),
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


def stored_chunks(column: str) -> tuple[Chunk, ...]:
    """The chunks that the column `chunks` of a state row lists."""
    return tuple(Chunk(start, end) for start, end in json.loads(column))


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
        f"LEFT JOIN {collection.living_record('j.organization_id', 'j.record_id')} "
        "WHERE j.scope = ?2 AND j.status = 'running' AND j.due_at = ?3 "
        "AND j.id IN (SELECT value FROM json_each(?1)) ORDER BY j.id",
        (json.dumps(ids), collection.scope, lease_end),
    )
