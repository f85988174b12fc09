"""Load: start the jobs of a wave, and read the records that they are about, in one D1 call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.embedding.decide import RecordState, stored_chunks
from cognate.embedding.platform_calls import MAX_COLUMN_CHARACTERS, MAX_WAVE_CHARACTERS
from cognate.jobs.run import LEASE, StartedJob, start_statements
from cognate.ports import FLOAT32_BYTES, Row, Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.messages import JobKey
    from cognate.ports import Database
    from cognate.schema.collections import Collection, Collections


@dataclass(frozen=True)
class Wave:
    """The jobs that were started together, and their records.

    Attributes:
        records: each once.
        orphans: jobs whose table is no longer in the schema, or whose state row is missing.
        waiting: organizations that have jobs which are not announced yet.
        left: jobs that did not fit into this wave; they are not started.
    """

    records: list[RecordState]
    orphans: list[StartedJob]
    waiting: list[str]
    left: list[JobKey]


async def load_records(
    database: Database,
    collections: Collections,
    keys: Sequence[JobKey],
    now: datetime,
    arrivals: Sequence[Statement] = (),
) -> Wave:
    """Record what arrived, start the jobs of one wave, and read their records.

    One D1 call, whatever the size of the batch. A queued job can be started. So can a running job
    if its message came back or its lease is over: its consumer has died.

    Args:
        database: D1.
        collections: all that the schema has.
        keys: of the jobs, each once.
        now: the time.
        arrivals: statements that write down jobs which arrived with their messages.

    Raises:
        DatabaseError: nothing was started.
    """
    found = [collections.get(scope) for scope in sorted({key.scope for key in keys})]
    reads = [collection for collection in found if collection is not None]
    statements = [
        *arrivals,
        *start_statements(
            collections,
            keys,
            now,
            most_characters=MAX_WAVE_CHARACTERS,
            most_of_column=MAX_COLUMN_CHARACTERS,
        ),
        *(_read(collection, keys, to_iso(now + LEASE)) for collection in reads),
    ]
    answers = await database.batch(statements)
    startable, started_rows, waiting_rows, *read_rows = answers[len(arrivals) :]
    started = {row["id"]: StartedJob.of(row) for row in started_rows}
    records: dict[tuple[str, str, str], RecordState] = {}
    for collection, rows in zip(reads, read_rows, strict=True):
        for row in rows:
            if row["job_id"] in started:
                key = (collection.scope, row["organization_id"], row["record_id"])
                records[key] = _state(collection, row, started[row["job_id"]], records.get(key))
    left = {row["id"] for row in startable}.difference(started)
    seen = {job.id for record in records.values() for job in record.jobs}
    return Wave(
        records=list(records.values()),
        orphans=[job for job_id, job in started.items() if job_id not in seen],
        waiting=[row["organization_id"] for row in waiting_rows],
        left=[key for key in keys if key.job_id in left],
    )


def _state(
    collection: Collection, row: Row, job: StartedJob, earlier: RecordState | None
) -> RecordState:
    """Make the state of a record, for a job and for the earlier jobs of the same record."""
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


def _read(collection: Collection, keys: Sequence[JobKey], lease_end: str) -> Statement:
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
        f"s.max_chunks, s.index_bindings, s.posted_text{fields} FROM json_each(?1) m "
        "CROSS JOIN cognate_jobs j ON j.organization_id = m.value ->> 'organization' "
        "AND j.scope = m.value ->> 'scope' AND j.id = m.value ->> 'job' "
        "JOIN cognate_embeddings s ON s.organization_id = j.organization_id "
        "AND s.scope = j.scope AND s.record_id = j.record_id "
        f"LEFT JOIN {collection.row_of('j.organization_id', 'j.record_id')} "
        "WHERE m.value ->> 'scope' = ?2 AND j.status = 'running' AND j.due_at = ?3 ORDER BY j.id",
        (json.dumps([key.fields() for key in keys]), collection.scope, lease_end),
    )
