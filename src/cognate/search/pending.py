"""Records that were accepted and are not embedded yet: embed them now, and compare them.

A search must not call a text new while an equal one waits in the queue. So it reads the waiting
records, embeds their texts in one call, compares them, and keeps their vectors: the consumer then
only writes them to the index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cognate.embedding.decide import Action, Work, work_for
from cognate.embedding.embed import Placed
from cognate.embedding.fingerprint import fingerprint
from cognate.embedding.keep import store_early
from cognate.embedding.start import Task
from cognate.embedding.vector_checks import checked
from cognate.errors import DatabaseError, EmbedderError
from cognate.events import emit
from cognate.ports import FLOAT32_BYTES, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Parameter, Platform, Row
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection
    from cognate.search.filters import Filter

MAX_COUNTED: Final = 1000
"""Waiting records that are counted; an answer of so many means that or more."""

MAX_OPEN_JOBS: Final = 2000
"""Queued or running jobs of a table that one search looks at: more than the 1,500 of a backfill of
unchanged records, which have nothing to embed."""

ENOUGH_JOBS: Final = 300
"""Jobs whose records are read where there are more than that: the answer is degraded in any case,
and a search embeds a hundred texts."""

MAX_PENDING_CHARACTERS: Final = 200_000
"""Characters of waiting texts that one search reads."""


STATE: Final = (
    "vector_key",
    "revision",
    "content_hash",
    "index_hash",
    "chunks",
    "changes",
    "max_chunks",
)
"""The short columns of a state row that are read."""


@dataclass(frozen=True)
class Pending:
    """What is waiting.

    Attributes:
        count: waiting records that the search has to compare, at most 1,000.
        works: those that were embedded, with their vectors.
        replaced: records whose stored vectors are of an older text: those that were embedded, and
            those whose text is blank now.
        is_complete: whether all of them were.
    """

    count: int = 0
    works: Sequence[Work] = field(default_factory=tuple)
    replaced: frozenset[str] = frozenset()
    is_complete: bool = True


def read_pending(
    collection: Collection,
    organization_id: OrganizationId,
    filter: Filter,  # noqa: A002 - the field's word
    record_id: str | None = None,
) -> Statement:
    """The first records that wait to be embedded, by the age of their jobs.

    A record whose stored vectors follow its text is not among them: its job will only write the
    index. Each row has the number of all `records` that wait, and whether there are more jobs than
    were looked at; without any record, one row has just these. Texts are read up to a number of
    characters; of a record behind it, `is_read` is 0. With a `record_id` it is about that one only.
    """
    parameters: list[Parameter] = [
        organization_id,
        collection.scope,
        fingerprint(collection.model),
        MAX_COUNTED,
        collection.model.max_texts,
        MAX_PENDING_CHARACTERS,
        MAX_OPEN_JOBS,
    ]
    conditions = filter.sql("r", collection.filter_columns, parameters)
    record = f'CROSS JOIN "{collection.sql_table}" r ON r.organization_id = ?1 AND r.id = '
    texts = ["f.posted_text", *(f'r."{column}"' for column in collection.fields)]
    length = " + ".join(f"COALESCE(length({text}), 0)" for text in texts)
    read = "".join(f', r."{column}" AS "field_{column}"' for column in collection.columns)
    names = ["posted_text", *(f"field_{column}" for column in collection.columns)]
    fields = "".join(
        f', CASE WHEN w.running <= ?6 THEN w."{name}" END AS "{name}"' for name in names
    )
    state = "".join(f", s.{column}" for column in STATE)
    again = "".join(f", w.{column}" for column in STATE)
    # Without an index's name, SQLite reads all jobs of the table in the order of their records.
    index, one = "cognate_jobs_by_table_and_status", ""
    if record_id is not None:
        parameters.append(record_id)
        index, one = "cognate_jobs_by_record", f"AND record_id = ?{len(parameters)} "
    return Statement(
        "WITH open AS MATERIALIZED (SELECT record_id, id, priority, embeds FROM cognate_jobs "  # noqa: S608 - names of the schema
        f"INDEXED BY {index} WHERE organization_id = ?1 AND scope = ?2 {one}"
        "AND status IN ('queued', 'running') LIMIT ?7), "
        "jobs AS MATERIALIZED (SELECT record_id, MIN(id) AS job_id, MIN(priority) AS priority "
        "FROM (SELECT * FROM open WHERE embeds LIMIT (SELECT CASE WHEN COUNT(*) >= ?7 "
        f"THEN {ENOUGH_JOBS} ELSE ?7 END FROM open)) GROUP BY record_id), "
        f"waiting AS MATERIALIZED (SELECT j.job_id, j.record_id, s.posted_text{state} FROM jobs j "
        "CROSS JOIN cognate_embeddings s ON s.organization_id = ?1 AND s.scope = ?2 "
        "AND s.record_id = j.record_id AND (s.fingerprint IS NOT ?3 "
        "OR s.changes <> s.changes_seen "
        "OR j.priority = 0 AND s.embedded_revision IS NOT s.revision) "
        f"{record}j.record_id{collection.not_deleted}{conditions} LIMIT ?4), "
        "first AS MATERIALIZED (SELECT f.*, "
        f'length(r."{collection.embedding_column}") AS stored_bytes{read}, '
        f"SUM({length}) OVER (ORDER BY f.job_id ROWS UNBOUNDED PRECEDING) AS running FROM ("
        f"SELECT * FROM waiting ORDER BY job_id LIMIT ?5) f {record}f.record_id) "
        "SELECT m.records, m.is_cut, w.running <= ?6 AS is_read, w.record_id, w.stored_bytes"
        f"{again}{fields} FROM (SELECT (SELECT COUNT(*) FROM waiting) AS records, "
        "(SELECT COUNT(*) FROM open) >= ?7 AS is_cut) m LEFT JOIN first w ORDER BY w.job_id",
        tuple(parameters),
    )


def waiting_text(collection: Collection, organization_id: OrganizationId, row: Row) -> str | None:
    """The text of the record that a row of `read_pending` is of; empty where it is blank now.

    None where nothing waits, and where its text is one that cannot be embedded.
    """
    if not row["is_read"]:
        return None
    work = _work(collection, organization_id, row)
    if work.action is Action.REMOVE:
        return ""
    return work.task.text if work.action is Action.EMBED and work.error is None else None


async def embed_pending(
    platform: Platform,
    collection: Collection,
    organization_id: OrganizationId,
    rows: Sequence[Row],
) -> Pending:
    """Embed the waiting records of `read_pending` in at most one call, and keep their vectors.

    Raises nothing: what the model or D1 refuses now is left to the consumer.
    """
    cut = bool(rows[0]["is_cut"])
    if rows[0]["records"] == 0:
        return Pending(MAX_COUNTED if cut else 0, is_complete=not cut)
    works = [_work(collection, organization_id, row) for row in rows if row["is_read"]]
    waiting = [work for work in works if work.action is Action.EMBED and work.error is None]
    behind = rows[0]["records"] - len(works)
    chosen: list[Work] = []
    room = collection.model.max_texts
    for work in waiting:
        if len(work.chunks) <= room:
            chosen.append(work)
            room -= len(work.chunks)
    count = MAX_COUNTED if cut else len(waiting) + behind
    blank = frozenset(work.task.record_id for work in works if work.action is Action.REMOVE)
    if not chosen:
        return Pending(count, replaced=blank, is_complete=not cut and count == 0)
    try:
        await _embed(platform, collection, chosen)
    except EmbedderError as error:
        emit("search.pending_not_embedded", records=len(chosen), error=error.code)
        return Pending(count, replaced=blank, is_complete=False)
    await _keep(platform, chosen)
    replaced = blank.union(work.task.record_id for work in chosen)
    return Pending(count, chosen, replaced, is_complete=not cut and len(chosen) == count)


def _work(collection: Collection, organization_id: OrganizationId, row: Row) -> Work:
    fields = {column: row[f"field_{column}"] for column in collection.columns}
    chunks: list[list[int]] = json.loads(row["chunks"])
    has_vectors = row["stored_bytes"] == (len(chunks) * collection.model.dimensions * FLOAT32_BYTES)
    return work_for(
        Task(
            collection=collection,
            organization_id=organization_id,
            record_id=row["record_id"],
            vector_key=row["vector_key"],
            jobs=[],
            embeds=True,
            exists=True,
            text=row["posted_text"] or collection.text_of(fields),
            metadata=collection.metadata_of(fields),
            revision=row["revision"],
            stored_hash=row["content_hash"] if has_vectors else None,
            stored_index_hash=row["index_hash"],
            stored_chunks=chunks,
            max_chunks=row["max_chunks"],
            is_uncertain=False,
            changes=row["changes"],
        )
    )


async def _embed(platform: Platform, collection: Collection, works: Sequence[Work]) -> None:
    texts = [work.task.text[part.start : part.end] for work in works for part in work.chunks]
    answer = await platform.embedder.embed(collection.model, texts, urgent=True)
    vectors = checked(answer, count=len(texts), model=collection.model)
    position = 0
    for work in works:
        places = range(position, position + len(work.chunks))
        work.placed = [Placed(vectors, place) for place in places]
        position += len(work.chunks)


async def _keep(platform: Platform, works: Sequence[Work]) -> None:
    """Store the vectors for the revisions that were read; a newer text keeps its own.

    What a consumer has stored meanwhile stays too.
    """
    try:
        await platform.database.batch(store_early(works, platform.clock.now()))
    except DatabaseError as error:
        emit("search.pending_not_kept", records=len(works), error=error.code)
