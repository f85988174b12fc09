"""The SQL of a search: what D1 has of the records that an index named, or does not show yet.

Each statement reads the organization's own rows only, joins the living record, and reads as many
rows as it answers, whatever the size of the organization.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cognate.embedding.fingerprint import fingerprint
from cognate.embedding.index_progress import SHOWN_BEFORE
from cognate.embedding.sketches import letters_of
from cognate.ports import FLOAT32_BYTES, Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from cognate.ports import Parameter
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection
    from cognate.search.filters import Filter

MAX_EXACT_RECENT: Final = 128
"""Chunks that the index may not show yet and that are all compared exactly: about 10 ms of CPU.
Where there are more, their sketches choose."""

MAX_SKETCHES: Final = 20_000
"""Chunks whose sketches one search compares: about 4 MB of digits, and 20 ms of CPU."""

PARTS: Final = ("2", "a", "e", "i", "m", "q", "u", "y", "~")
"""Borders of the parts in which sketches are answered, by the first letter of their vector keys,
which are random in base32. D1 answers at most 2,000,000 bytes in one value."""

KEY_LETTERS: Final = 20
"""Letters of a vector key that name it among all others: a hundred random bits."""

MAX_ORPHANS_READ: Final = 100
"""State rows of another fingerprint that are looked at for a living record."""


def columns(collection: Collection) -> str:
    """The metadata columns of a row `r`, each after a comma."""
    return "".join(f', r."{column}" AS "field_{column}"' for column in collection.metadata)


def join_record(collection: Collection) -> str:
    """Join the living row `r` to a state row `s`; the state row comes first."""
    # Without CROSS, SQLite may walk over all records of the organization instead.
    return (
        f'CROSS JOIN "{collection.sql_table}" r ON r.organization_id = s.organization_id '
        f"AND r.id = s.record_id{collection.not_deleted} "
    )


def read_matched(
    collection: Collection,
    organization_id: OrganizationId,
    keys: Sequence[Mapping[str, Any]],
    started: datetime,
) -> Statement:
    """The stored vectors of named chunks, of records that are still there.

    A `key` is a vector key, or its first letters.

    `shown` is 1 where the index is known to show the vectors that are stored now.
    """
    size = collection.model.dimensions * FLOAT32_BYTES
    shown_before = SHOWN_BEFORE.format(binding=5, started=6)
    return Statement(
        "SELECT s.record_id, s.chunks, json_each.value ->> 'chunk' AS first, "  # noqa: S608 - names of the schema
        f"s.shown_after < {shown_before} AS shown, "
        f'hex(substr(r."{collection.embedding_column}", '
        f"1 + (json_each.value ->> 'chunk') * {size}, {size})) AS vectors"
        f"{columns(collection)} FROM json_each(?3) "
        "CROSS JOIN cognate_embeddings s ON s.vector_key >= json_each.value ->> 'key' "
        "AND s.vector_key < (json_each.value ->> 'key') || '~' "
        f"{join_record(collection)}"
        # The plus keeps SQLite to the keys; without it, it may walk over the organization.
        "WHERE +s.organization_id = ?1 AND +s.scope = ?2 AND s.fingerprint = ?4",
        (
            organization_id,
            collection.scope,
            json.dumps(keys),
            fingerprint(collection.model),
            collection.model.index_binding,
            to_iso(started),
        ),
    )


def _recent(
    collection: Collection,
    organization_id: OrganizationId,
    started: datetime,
    filter: Filter,  # noqa: A002 - the field's word
) -> tuple[str, list[Parameter]]:
    """The FROM and WHERE of what the index may not show yet, and their parameters ?1 to ?5."""
    parameters: list[Parameter] = [
        organization_id,
        collection.scope,
        fingerprint(collection.model),
        collection.model.index_binding,
        to_iso(started),
    ]
    conditions = filter.sql("r", collection.filter_columns, parameters)
    shown_before = SHOWN_BEFORE.format(binding=4, started=5)
    source = (
        f"FROM cognate_embeddings s {join_record(collection)}"
        f"WHERE s.organization_id = ?1 AND s.scope = ?2 AND s.shown_after >= {shown_before} "
        f"AND s.fingerprint = ?3{conditions} ORDER BY s.shown_after DESC, s.record_id DESC"
    )
    return source, parameters


def read_recent(
    collection: Collection,
    organization_id: OrganizationId,
    started: datetime,
    filter: Filter,  # noqa: A002 - the field's word
) -> Statement:
    """All stored vectors of what the index may not show yet, where they are few.

    Where they are more than `MAX_EXACT_RECENT`, one row at least has `left_out` set, and no row
    has vectors.
    """
    source, parameters = _recent(collection, organization_id, started, filter)
    parameters.append(MAX_EXACT_RECENT)
    most = f"?{len(parameters)}"
    return Statement(
        "WITH recent AS MATERIALIZED (SELECT s.record_id, s.chunks, "  # noqa: S608 - names of the schema
        f"json_array_length(s.chunks) AS size {source} LIMIT {most} + 1), "
        "all_of_them AS MATERIALIZED (SELECT SUM(size) AS total FROM recent) "
        f"SELECT recent.record_id, recent.chunks, 0 AS first, total > {most} AS left_out, "
        f"CASE WHEN total <= {most} THEN hex(r.\"{collection.embedding_column}\") ELSE '' END "
        f"AS vectors{columns(collection)} FROM all_of_them CROSS JOIN recent "
        f'CROSS JOIN "{collection.sql_table}" r ON r.organization_id = ?1 '
        "AND r.id = recent.record_id",
        tuple(parameters),
    )


def read_sketches(
    collection: Collection,
    organization_id: OrganizationId,
    started: datetime,
    filter: Filter,  # noqa: A002 - the field's word
    limit: int,
) -> Statement:
    """The sketches of what the index may not show yet, of at most so many records, newest first.

    One row: `chunks` is their number, of `records`; where it is above `most`, no part is answered.
    `missing` records have none. The parts are `keys0`, `sketches0` and so on: keys with commas
    between, each with a colon and the number of its chunks where they are several, and the sketches
    of these in the same order.
    """
    source, parameters = _recent(collection, organization_id, started, filter)
    parameters += [MAX_SKETCHES, limit]
    most, rows = f"?{len(parameters) - 1}", f"?{len(parameters)}"
    size = letters_of(collection.model.dimensions)
    key = "CASE chunks WHEN 1 THEN vector_key ELSE vector_key || ':' || chunks END"
    parts = "".join(
        f", group_concat({key}) FILTER (WHERE {part}) AS keys{number}, "
        f"group_concat(sketch, '') FILTER (WHERE {part}) AS sketches{number}"
        for number, (start, end) in enumerate(pairwise(PARTS))
        for part in [f"chunks AND fits AND vector_key >= '{start}' AND vector_key < '{end}'"]
    )
    return Statement(
        "WITH recent AS MATERIALIZED (SELECT s.sketch, "  # noqa: S608 - names of the schema
        f"substr(s.vector_key, 1, {KEY_LETTERS}) AS vector_key, "
        f"length(s.sketch) / {size} AS chunks {source} LIMIT {rows}), "
        "counted AS MATERIALIZED (SELECT COALESCE(SUM(chunks), 0) AS total, COUNT(*) AS records, "
        f"COUNT(*) - COUNT(chunks) AS missing, SUM(chunks) <= {most} AS fits FROM recent) "
        f"SELECT total AS chunks, records, missing, {most} AS most{parts} "
        "FROM counted LEFT JOIN recent",
        tuple(parameters),
    )


def read_stale(collection: Collection, organization_id: OrganizationId) -> Statement:
    """A row where living records still have vectors of another model, pooling or chunker.

    Those cannot be compared, so until a backfill has embedded them again nothing can be called new.
    Where very many state rows of another fingerprint have lost their records, it says so too.
    """
    other = (
        "SELECT organization_id, record_id FROM cognate_embeddings "
        "WHERE organization_id = ?1 AND scope = ?2 AND fingerprint {} ?3 LIMIT ?4"
    )
    return Statement(
        f"WITH other AS MATERIALIZED (SELECT * FROM ({other.format('<')}) "  # noqa: S608 - names of the schema
        f"UNION ALL SELECT * FROM ({other.format('>')})) "
        "SELECT 1 AS stale WHERE (SELECT COUNT(*) FROM other) >= ?4 OR EXISTS ("
        f'SELECT 1 FROM other o CROSS JOIN "{collection.sql_table}" r '
        "ON r.organization_id = o.organization_id AND r.id = o.record_id"
        f"{collection.not_deleted})",
        (organization_id, collection.scope, fingerprint(collection.model), MAX_ORPHANS_READ),
    )


def read_index(collection: Collection) -> Statement:
    """When the progress of the collection's index was last seen, and how many vectors it has."""
    return Statement(
        "SELECT observed_at, vectors FROM cognate_indexes WHERE binding = ?1",
        (collection.model.index_binding,),
    )
