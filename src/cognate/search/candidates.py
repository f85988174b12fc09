"""All SQL of the search: read from D1 the records that may be near the query.

There are four kinds of candidates: those that the index named, those that the index may not show
yet, those that are not embedded yet, and the record itself in a search by record.

Each statement reads only rows of the organization, joins the living record, and reads about as many
rows as it returns, whatever the size of the organization. Column names come from the validated
schema, so they are written into the SQL. Values are always bound.
"""

# ruff: noqa: S608 - names of the validated schema; values are bound

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cognate.embedding.sketches import letters_of
from cognate.ports import FLOAT32_BYTES, Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cognate.ports import Parameter
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection
    from cognate.search.filters import Clause, Filter

MAX_EXACT_RECENT: Final = 128
"""Up to this many chunks that the index may not show yet are all compared exactly, which takes
about 10 ms of CPU. If there are more, their sketches choose."""

MAX_SKETCHES: Final = 20_000
"""Chunks whose sketches one search compares: about 4 MB of digits, and 20 ms of CPU."""

PARTS: Final = ("2", "a", "e", "i", "m", "q", "u", "y", "~")
"""Borders of the parts in which sketches are answered, by the first letter of their vector keys,
which are random in base32. D1 answers at most 2,000,000 bytes in one value."""

KEY_LETTERS: Final = 20
"""Letters of a vector key that identify it: a hundred random bits."""

MAX_ORPHANS_READ: Final = 100
"""State rows of another fingerprint that are checked for a living record."""

MAX_COUNTED: Final = 1000
"""Pending records are counted up to this number, which then means that or more."""

MAX_OPEN_JOBS: Final = 2000
"""Queued or running jobs of a table that one search reads. This is more than the 1,500 jobs of a
backfill of unchanged records, which have nothing to embed."""

ENOUGH_JOBS: Final = 300
"""If there are more than `MAX_OPEN_JOBS`, the records of only so many jobs are read. The answer is
degraded in any case, and a search embeds a hundred texts."""

MAX_PENDING_CHARACTERS: Final = 200_000
"""Characters of pending texts that one search reads."""

STATE_COLUMNS: Final = (
    "vector_key",
    "revision",
    "content_hash",
    "index_hash",
    "chunks",
    "changes",
    "max_chunks",
)
"""The short columns of a state row that are read for a pending record."""


@dataclass(frozen=True)
class SearchTarget:
    """The records that a search looks at: those of one organization in one collection.

    Attributes:
        collection: of the records.
        organization_id: whose records.
        filter: which of them.
        started: a time before the first query of the index, by the clock of any machine; as ISO
            8601. The default is for a search that asks no index.
    """

    collection: Collection
    organization_id: OrganizationId
    filter: Filter
    started: str = ""


_COMPARISONS: Final = {"$eq": "=", "$ne": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}


def read_candidates(target: SearchTarget, keys: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """Read everything that the first look of a search needs from D1.

    Returns:
        Five statements: `read_matched`, `read_recent`, `read_stale`, `read_pending`, `read_index`.
    """
    return [
        read_matched(target, keys),
        read_recent(target),
        read_stale(target),
        read_pending(target),
        read_index(target),
    ]


def read_matched(target: SearchTarget, keys: Sequence[Mapping[str, Any]]) -> Statement:
    """Read the stored vectors of chunks, if their records still exist.

    Each item of `keys` has a `key`, which is a vector key or its first letters, and a `chunk`.

    In each row, `shown` is 1 if the index is known to show the vectors that are stored now.
    """
    collection = target.collection
    size = collection.model.dimensions * FLOAT32_BYTES
    return Statement(
        "SELECT s.record_id, s.chunks, json_each.value ->> 'chunk' AS first, "
        f"s.shown_after < {_shown_before(binding=5, started=6)} AS shown, "
        f'hex(substr(r."{collection.embedding_column}", '
        f"1 + (json_each.value ->> 'chunk') * {size}, {size})) AS vectors"
        f"{_metadata(collection)} FROM json_each(?3) "
        "CROSS JOIN cognate_embeddings s ON s.vector_key >= json_each.value ->> 'key' "
        "AND s.vector_key < (json_each.value ->> 'key') || '~' "
        f"{_join_record(collection)}"
        # The plus makes SQLite search by the keys. Without it, it may walk over the organization.
        "WHERE +s.organization_id = ?1 AND +s.scope = ?2 AND s.fingerprint = ?4",
        (
            target.organization_id,
            collection.scope,
            json.dumps(keys),
            collection.model.fingerprint,
            collection.model.index_binding,
            target.started,
        ),
    )


def read_recent(target: SearchTarget) -> Statement:
    """Read all stored vectors that the index may not show yet, if they are few.

    If they are more than `MAX_EXACT_RECENT`, at least one row has `left_out` set and no row has
    vectors.
    """
    collection = target.collection
    source, parameters = _recent(target)
    parameters.append(MAX_EXACT_RECENT)
    most = f"?{len(parameters)}"
    return Statement(
        "WITH recent AS MATERIALIZED (SELECT s.record_id, s.chunks, "
        f"json_array_length(s.chunks) AS size {source} LIMIT {most} + 1), "
        "all_of_them AS MATERIALIZED (SELECT SUM(size) AS total FROM recent) "
        f"SELECT recent.record_id, recent.chunks, 0 AS first, total > {most} AS left_out, "
        f"CASE WHEN total <= {most} THEN hex(r.\"{collection.embedding_column}\") ELSE '' END "
        f"AS vectors{_metadata(collection)} FROM all_of_them CROSS JOIN recent "
        f"CROSS JOIN {collection.row_of('?1', 'recent.record_id')}",
        tuple(parameters),
    )


def read_sketches(target: SearchTarget, limit: int) -> Statement:
    """Read the sketches of the newest records that the index may not show yet, up to `limit`.

    The answer is one row. `chunks` is the number of chunks in `records` records, and `missing`
    records have no sketch. If `chunks` is above `most`, no sketches are answered. Otherwise they
    are in parts, `keys0` and `sketches0` and so on: the vector keys separated by commas, and the
    sketches in the same order. The key of a record of several chunks has `:` and their number.
    """
    source, parameters = _recent(target)
    parameters += [MAX_SKETCHES, limit]
    most, rows = f"?{len(parameters) - 1}", f"?{len(parameters)}"
    size = letters_of(target.collection.model.dimensions)
    key = "CASE chunks WHEN 1 THEN vector_key ELSE vector_key || ':' || chunks END"
    parts = "".join(
        f", group_concat({key}) FILTER (WHERE {part}) AS keys{number}, "
        f"group_concat(sketch, '') FILTER (WHERE {part}) AS sketches{number}"
        for number, (start, end) in enumerate(pairwise(PARTS))
        for part in [f"chunks AND fits AND vector_key >= '{start}' AND vector_key < '{end}'"]
    )
    return Statement(
        "WITH recent AS MATERIALIZED (SELECT s.sketch, "
        f"substr(s.vector_key, 1, {KEY_LETTERS}) AS vector_key, "
        f"length(s.sketch) / {size} AS chunks {source} LIMIT {rows}), "
        "counted AS MATERIALIZED (SELECT COALESCE(SUM(chunks), 0) AS total, COUNT(*) AS records, "
        f"COUNT(*) - COUNT(chunks) AS missing, SUM(chunks) <= {most} AS fits FROM recent) "
        f"SELECT total AS chunks, records, missing, {most} AS most{parts} "
        "FROM counted LEFT JOIN recent",
        tuple(parameters),
    )


def read_stale(target: SearchTarget) -> Statement:
    """Return a row if living records still have vectors of another model, pooling or chunker.

    Such vectors cannot be compared. Until a backfill has embedded the records again, no text can be
    called new. A row is also returned if very many state rows of another fingerprint have lost
    their records.
    """
    collection = target.collection
    other = (
        "SELECT organization_id, record_id FROM cognate_embeddings "
        "WHERE organization_id = ?1 AND scope = ?2 AND fingerprint {} ?3 LIMIT ?4"
    )
    return Statement(
        f"WITH other AS MATERIALIZED (SELECT * FROM ({other.format('<')}) "
        f"UNION ALL SELECT * FROM ({other.format('>')})) "
        "SELECT 1 AS stale WHERE (SELECT COUNT(*) FROM other) >= ?4 OR EXISTS ("
        "SELECT 1 FROM other o "
        f"CROSS JOIN {collection.row_of('o.organization_id', 'o.record_id')})",
        (target.organization_id, collection.scope, collection.model.fingerprint, MAX_ORPHANS_READ),
    )


def read_pending(target: SearchTarget, record_id: str | None = None) -> Statement:
    """Read the first pending records: accepted, not embedded yet; those with the oldest jobs first.

    A record whose stored vectors are made of its current text is left out, because its job will
    only write the index. Each row has the number of all pending `records`, and `is_cut` if there
    are more jobs than were read. Without a pending record there is one row with these two only.
    Texts are read up to a number of characters; beyond it, `is_read` is 0.

    With a `record_id`, only this record is looked at.
    """
    collection = target.collection
    parameters: list[Parameter] = [
        target.organization_id,
        collection.scope,
        collection.model.fingerprint,
        MAX_COUNTED,
        collection.model.max_texts,
        MAX_PENDING_CHARACTERS,
        MAX_OPEN_JOBS,
    ]
    conditions = _conditions(target, parameters)
    texts = ["f.posted_text", *(f'r."{column}"' for column in collection.fields)]
    length = " + ".join(f"COALESCE(length({text}), 0)" for text in texts)
    read = "".join(f', r."{column}" AS "field_{column}"' for column in collection.columns)
    names = ["posted_text", *(f"field_{column}" for column in collection.columns)]
    fields = "".join(
        f', CASE WHEN w.running <= ?6 THEN w."{name}" END AS "{name}"' for name in names
    )
    state = "".join(f", s.{column}" for column in STATE_COLUMNS)
    again = "".join(f", w.{column}" for column in STATE_COLUMNS)
    # Without the name of an index, SQLite reads all jobs of the table, ordered by record.
    index, one = "cognate_jobs_open", "AND announced IN (0, 1, 2) AND completed_at IS NULL "
    if record_id is not None:
        parameters.append(record_id)
        index, one = "cognate_jobs_by_record", f"AND record_id = ?{len(parameters)} "
    return Statement(
        "WITH open AS MATERIALIZED (SELECT record_id, id, priority, embeds FROM cognate_jobs "
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
        f"CROSS JOIN {collection.row_of('?1', 'j.record_id')}{conditions} LIMIT ?4), "
        "first AS MATERIALIZED (SELECT f.*, "
        f'length(r."{collection.embedding_column}") AS stored_bytes{read}, '
        f"SUM({length}) OVER (ORDER BY f.job_id ROWS UNBOUNDED PRECEDING) AS running FROM ("
        "SELECT * FROM waiting ORDER BY job_id LIMIT ?5) f "
        f"CROSS JOIN {collection.row_of('?1', 'f.record_id')}) "
        "SELECT m.records, m.is_cut, w.running <= ?6 AS is_read, w.record_id, w.stored_bytes"
        f"{again}{fields} FROM (SELECT (SELECT COUNT(*) FROM waiting) AS records, "
        "(SELECT COUNT(*) FROM open) >= ?7 AS is_cut) m LEFT JOIN first w ORDER BY w.job_id",
        tuple(parameters),
    )


def read_first_vector(target: SearchTarget, record_id: str) -> Statement:
    """Read the `vector` of a record's first chunk; null if it has none of the current model."""
    collection = target.collection
    size = collection.model.dimensions * FLOAT32_BYTES
    return Statement(
        f'SELECT CASE WHEN s.fingerprint = ?4 THEN hex(substr(r."{collection.embedding_column}", '
        f'1, {size})) END AS vector FROM "{collection.sql_table}" r '
        "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
        "AND s.scope = ?2 AND s.record_id = r.id "
        f"WHERE r.organization_id = ?1 AND r.id = ?3{collection.not_deleted}",
        (target.organization_id, collection.scope, record_id, collection.model.fingerprint),
    )


def read_index(target: SearchTarget) -> Statement:
    """Read when the progress of the collection's index was last seen, and its number of vectors."""
    return Statement(
        "SELECT observed_at, vectors FROM cognate_indexes WHERE binding = ?1",
        (target.collection.model.index_binding,),
    )


def _recent(target: SearchTarget) -> tuple[str, list[Parameter]]:
    """The FROM and WHERE of state rows that the index may not show yet, with their parameters."""
    collection = target.collection
    parameters: list[Parameter] = [
        target.organization_id,
        collection.scope,
        collection.model.fingerprint,
        collection.model.index_binding,
        target.started,
    ]
    conditions = _conditions(target, parameters)
    source = (
        f"FROM cognate_embeddings s {_join_record(collection)}"
        "WHERE s.organization_id = ?1 AND s.scope = ?2 "
        f"AND s.shown_after >= {_shown_before(binding=4, started=5)} "
        f"AND s.fingerprint = ?3{conditions} ORDER BY s.shown_after DESC, s.record_id DESC"
    )
    return source, parameters


def _shown_before(*, binding: int, started: int) -> str:
    """An SQL time: what the index accepted before it is shown to a query begun at `started`.

    It is empty while nothing is known. The arguments are numbers of bound parameters.
    """
    return (
        f"COALESCE((SELECT CASE WHEN observed_at < ?{started} THEN shown_before "
        f"WHEN earlier_observed_at < ?{started} THEN earlier_shown_before END "
        f"FROM cognate_indexes WHERE binding = ?{binding}), '')"
    )


def _join_record(collection: Collection) -> str:
    """Join the living row `r` of the record to its state row `s`."""
    # Without CROSS, SQLite may walk over all records of the organization instead.
    return f"CROSS JOIN {collection.row_of('s.organization_id', 's.record_id')} "


def _metadata(collection: Collection) -> str:
    """The metadata columns of the row `r`, each after a comma."""
    return "".join(f', r."{column}" AS "field_{column}"' for column in collection.metadata)


def _conditions(target: SearchTarget, parameters: list[Parameter]) -> str:
    """The filter on the row `r`, each clause after AND; never narrower than `Filter.matches`."""
    columns = target.collection.filter_columns
    return "".join(
        f" AND {_condition(clause, columns[clause.key], parameters)}"
        for clause in target.filter.clauses
    )


def _condition(clause: Clause, column: str, parameters: list[Parameter]) -> str:
    if isinstance(clause.value, tuple):
        parameters.append(json.dumps(clause.value, ensure_ascii=False))
        word = "IN" if clause.operator == "$in" else "NOT IN"
        values = f"SELECT json_each.value FROM json_each(?{len(parameters)})"
        return f'r."{column}" COLLATE BINARY {word} ({values})'
    value = clause.value
    parameters.append(int(value) if isinstance(value, bool) else value)
    return f'r."{column}" COLLATE BINARY {_COMPARISONS[clause.operator]} ?{len(parameters)}'
