"""Keep: store the vectors of records, and what is known of them in `cognate_embeddings`.

A state row says which text and metadata the stored vectors were made of, and what the index was
given. Nearly every statement here names the revision that was read: if the record was written
since, its state row has another revision, and nothing is changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.decide import Action, content_hash
from cognate.embedding.index_progress import record_statements
from cognate.embedding.sketches import Components
from cognate.ports import Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.embedding.decide import Decided
    from cognate.embedding.embed import Embedded
    from cognate.embedding.index import Indexed
    from cognate.embedding.index_progress import Mutation
    from cognate.ports import Parameter
    from cognate.schema.collections import Collection

_CURRENT_STATE: Final = (
    "SELECT 1 FROM cognate_embeddings s "
    "WHERE s.organization_id = json_each.value ->> 'organization' "
    "AND s.scope = json_each.value ->> 'scope' AND s.record_id = json_each.value ->> 'record' "
    "AND s.revision = json_each.value ->> 'revision'"
)
"""An SQL select: the state row of a record that still has the revision which was read."""

_STORE: Final = """
UPDATE cognate_embeddings SET
  content_hash = value ->> 'content_hash',
  fingerprint =
    CASE WHEN value ->> 'reindexed' THEN fingerprint ELSE value ->> 'fingerprint' END,
  sketch = CASE WHEN value ->> 'reindexed' THEN sketch ELSE value ->> 'sketch' END,
  -- An entry that did not change is shown already: writing it again does not hide it.
  indexed_at = CASE WHEN value ->> 'reindexed' AND index_hash = value ->> 'index_hash'
    THEN indexed_at ELSE ?2 END,
  -- A forced job was queued because the index may differ from D1. Until it ran, that is so.
  index_hash = CASE WHEN EXISTS (
      SELECT 1 FROM cognate_jobs q INDEXED BY cognate_jobs_by_record
      WHERE q.organization_id = value ->> 'organization' AND q.scope = value ->> 'scope'
        AND q.record_id = value ->> 'record' AND q.status = 'queued' AND q.forced)
    THEN NULL ELSE value ->> 'index_hash' END,
  index_bindings = CASE WHEN instr(index_bindings, json_quote(value ->> 'binding'))
    THEN index_bindings ELSE json_insert(index_bindings, '$[#]', value ->> 'binding') END,
  chunks = value ->> 'chunks',
  embedded_at = value ->> 'embedded_at',
  embedded_revision = revision,
  -- The mark goes with the vectors.
  record_gone = CASE WHEN value ->> 'gone' THEN 0 ELSE record_gone END,
  changes_seen = COALESCE(value ->> 'changes_seen', changes_seen)
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND scope = value ->> 'scope'
  AND record_id = value ->> 'record' AND revision = value ->> 'revision'
"""

_UNLESS_STORED: Final = """
  AND NOT (embedded_revision IS revision AND fingerprint IS value ->> 'fingerprint')
"""

_STORE_SEEN: Final = """
UPDATE cognate_embeddings SET changes_seen = value ->> 'changes_seen'
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND scope = value ->> 'scope'
  AND record_id = value ->> 'record' AND revision = value ->> 'revision'
  AND changes_seen <> value ->> 'changes_seen'
"""

_FORGET_INDEX: Final = """
UPDATE cognate_embeddings SET index_hash = NULL
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND scope = value ->> 'scope'
  AND record_id = value ->> 'record' AND revision = value ->> 'revision'
  AND index_hash IS NOT NULL
"""

_RESERVE: Final = """
UPDATE cognate_embeddings SET
  max_chunks = MAX(max_chunks, value ->> 'max_chunks'),
  index_bindings = CASE WHEN instr(index_bindings, json_quote(value ->> 'binding'))
    THEN index_bindings ELSE json_insert(index_bindings, '$[#]', value ->> 'binding') END
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND scope = value ->> 'scope'
  AND record_id = value ->> 'record'
"""

_REMOVE_BINDINGS: Final = """
UPDATE cognate_embeddings SET index_bindings = (
  SELECT json_group_array(b.value) FROM json_each(cognate_embeddings.index_bindings) b
  WHERE b.value NOT IN (SELECT l.value FROM json_each(json_each.value, '$.bindings') l))
FROM json_each(?1)
WHERE organization_id = json_each.value ->> 'organization'
  AND scope = json_each.value ->> 'scope' AND record_id = json_each.value ->> 'record'
  AND revision = json_each.value ->> 'revision'
"""

_REMOVE: Final = """
DELETE FROM cognate_embeddings
WHERE (vector_key, revision) IN (
    SELECT value ->> 'key', value ->> 'revision' FROM json_each(?1))
  -- Another job of the record may have written to the index. Its end removes the row.
  AND NOT EXISTS (
    SELECT 1 FROM cognate_jobs j INDEXED BY cognate_jobs_by_record
    WHERE j.organization_id = cognate_embeddings.organization_id
      AND j.scope = cognate_embeddings.scope AND j.record_id = cognate_embeddings.record_id
      AND +j.status IN ('queued', 'running'))
"""

_RESTORE: Final = """
INSERT OR IGNORE INTO cognate_embeddings (
  organization_id, scope, record_id, vector_key, revision, max_chunks, index_bindings)
SELECT value ->> 'organization', value ->> 'scope', value ->> 'record', value ->> 'key',
  MAX(?2, value ->> 'revision' + 1), value ->> 'max_chunks', json_array(value ->> 'binding')
FROM json_each(?1)
"""

_DOUBT: Final = """
UPDATE cognate_embeddings SET
  index_hash = NULL,
  max_chunks = MAX(max_chunks, value ->> 'max_chunks'),
  index_bindings = CASE WHEN instr(index_bindings, json_quote(value ->> 'binding'))
    THEN index_bindings ELSE json_insert(index_bindings, '$[#]', value ->> 'binding') END
FROM json_each(?1)
WHERE organization_id = value ->> 'organization' AND scope = value ->> 'scope'
  AND record_id = value ->> 'record' AND revision <> value ->> 'revision'
"""

_NOT_STORED: Final = (
    " AND NOT (s.embedded_revision IS s.revision "
    "AND s.fingerprint IS json_each.value ->> 'fingerprint')"
)
"""An SQL condition: no vectors of that revision and of today's model are stored."""


def keep_records(
    indexed: Sequence[Indexed],
    late: Sequence[Indexed],
    mutations: Sequence[Mutation],
    now: datetime,
) -> list[Statement]:
    """Store the outcome of a batch, in an order that must be kept.

    Args:
        indexed: the records.
        late: those of them that may have written to an index.
        mutations: what the indexes have accepted for them.
        now: the time, after the last call of an index.
    """
    kept = [item for item in indexed if _is_kept(item)]
    others = [item for item in indexed if not _is_kept(item)]
    components = Components()
    return [
        *_store_components(kept, components),
        *_remove_states([item for item in indexed if _is_removed(item)]),
        *_store_states(kept, components, now),
        *_store_seen(others),
        *_forget_index([item for item in others if item.leaves_index_unsure]),
        *_doubt_index(late, now),
        *_remove_bindings(
            [(item, bindings) for item in indexed if (bindings := _emptied_bindings(item))]
        ),
        *record_statements(mutations),
    ]


def keep_early(embedded: Sequence[Embedded], now: datetime) -> list[Statement]:
    """Store the vectors of records before their jobs have run.

    If a job has stored them meanwhile, nothing is changed.
    """
    components = Components()
    return [
        *_store_components(embedded, components, early=True),
        *_store_states(embedded, components, now, early=True),
    ]


def _is_kept(item: Indexed) -> bool:
    """Whether there is something to store.

    Vectors are stored even if the index did not accept them. The next try writes them to the index
    without another call of the model, and until then a search finds them in D1.
    """
    if item.error is not None:
        return item.action is Action.EMBED and bool(item.vectors)
    return item.action is not Action.NOTHING


def _is_deleted(item: Indexed) -> bool:
    """Whether the record was deleted, and the index has accepted the deletion of its vectors."""
    return item.action is Action.REMOVE and item.error is None and not item.record.exists


def _is_removed(item: Indexed) -> bool:
    """Whether the record was deleted, and no index has vectors of it."""
    return _is_deleted(item) and set(item.other_bindings) <= set(item.left_bindings)


def _emptied_bindings(item: Indexed) -> list[str]:
    """Indexes to take off the state row: they have no vectors of the record any more.

    Rarely any: the state row of a deleted record is removed as a whole.
    """
    if _is_deleted(item) and not (_is_removed(item) and not item.left_bindings):
        return [*item.left_bindings, item.binding]
    return list(item.left_bindings)


def _store_components(
    items: Sequence[Embedded], components: Components, *, early: bool = False
) -> list[Statement]:
    """Write the vectors into the rows of the tables.

    One statement for up to 1.5 MB of vectors of a table, whatever their number. With `early`, rows
    that have vectors of this revision and of today's model are left alone.
    """
    condition = _NOT_STORED if early else ""
    by_table: dict[str, tuple[Collection, list[dict[str, Any]]]] = {}
    for item in items:
        if item.action is Action.REINDEX:
            continue
        collection = item.record.collection
        vectors = components.hex(item.vectors) if item.action is Action.EMBED else None
        by_table.setdefault(collection.scope, (collection, []))[1].append(
            {**revision_of(item), "vectors": vectors, "fingerprint": _fingerprint_of(item)}
        )
    return [
        Statement(
            f'UPDATE "{collection.sql_table}" SET "{collection.embedding_column}" = '  # noqa: S608 - names of the schema
            # A table of a user may have a column called "value".
            "unhex(json_each.value ->> 'vectors') FROM json_each(?1) "
            f'WHERE "{collection.sql_table}".organization_id = '
            "json_each.value ->> 'organization' "
            f"AND \"{collection.sql_table}\".id = json_each.value ->> 'record' "
            f"AND EXISTS ({_CURRENT_STATE}{condition})",
            (payload,),
        )
        for collection, rows in by_table.values()
        for payload in json_groups(rows)
    ]


def _store_states(
    items: Sequence[Embedded], components: Components, now: datetime, *, early: bool = False
) -> list[Statement]:
    """Store what is known of records whose vectors were stored, removed or indexed again.

    Args:
        items: the records.
        components: the vectors that were made.
        now: the time.
        early: change nothing where vectors of this revision and today's model are stored. A search
            stores vectors before the job of their record has run. If the job was faster, it has
            stored that the index has them too, and nothing else would say so again.
    """
    rows = [
        {
            **revision_of(item),
            "content_hash": _content_hash(item),
            "fingerprint": _fingerprint_of(item),
            "reindexed": item.action is Action.REINDEX,
            "index_hash": item.record.index_hash if item.is_indexed else None,
            "chunks": json.dumps([[part.start, part.end] for part in item.chunks]),
            "binding": item.record.collection.model.index_binding,
            "gone": item.action is Action.REMOVE and not item.record.exists,
            "embedded_at": None if item.action is Action.REMOVE else to_iso(now),
            "sketch": components.sketches(item.vectors) if item.action is Action.EMBED else None,
            "changes_seen": item.record.changes if _follows_all_changes(item) else None,
        }
        for item in items
    ]
    return _statements(_STORE + _UNLESS_STORED if early else _STORE, rows, to_iso(now))


def _store_seen(items: Sequence[Decided]) -> list[Statement]:
    """Store that records which needed nothing follow all changes that were read."""
    return _statements(
        _STORE_SEEN,
        [
            {**revision_of(item), "changes_seen": item.record.changes}
            for item in items
            if _follows_all_changes(item)
        ],
    )


def _forget_index(items: Sequence[Decided]) -> list[Statement]:
    """Store that the index may hold anything of these records: the next job writes it again."""
    return _statements(_FORGET_INDEX, [revision_of(item) for item in items])


def reserve_vectors(items: Sequence[Decided]) -> list[Statement]:
    """Store how many vectors records may get in which index, whatever their revision is."""
    return _statements(
        _RESERVE,
        [
            {
                **revision_of(item),
                "max_chunks": len(item.chunks),
                "binding": item.record.collection.model.index_binding,
            }
            for item in items
        ],
    )


def _remove_bindings(bindings: Sequence[tuple[Decided, Sequence[str]]]) -> list[Statement]:
    """Store that these indexes have no vectors of a record any more."""
    return _statements(
        _REMOVE_BINDINGS, [{**revision_of(item), "bindings": names} for item, names in bindings]
    )


def _remove_states(items: Sequence[Decided]) -> list[Statement]:
    """Remove the state rows of records whose vectors are gone from every index.

    A row stays while another job of its record is pending.
    """
    return _statements(
        _REMOVE,
        [{"key": item.record.vector_key, "revision": item.record.revision} for item in items],
    )


def _doubt_index(items: Sequence[Indexed], now: datetime) -> list[Statement]:
    """Store what a late write to the index means for records that were written since.

    The index may hold the older entry or the newer one. If the state row was removed meanwhile, an
    upsert came after the deletion: the row is made again, so that a job can remove its vectors. A
    row that was made again by others does not know of the upsert yet.
    """
    rows = {
        item.record.vector_key: {
            **revision_of(item),
            "key": item.record.vector_key,
            "max_chunks": item.max_chunks,
            "binding": item.record.collection.model.index_binding,
        }
        for item in items
    }
    upserted = [rows[item.record.vector_key] for item in items if item.action is not Action.REMOVE]
    return [
        *_statements(_RESTORE, upserted, to_milliseconds(now)),
        *_statements(_DOUBT, list(rows.values())),
    ]


def revision_of(item: Decided) -> dict[str, Any]:
    """The key of a record and the revision that was read, as fields of a JSON row."""
    record = item.record
    return {
        "organization": record.organization_id,
        "scope": record.collection.scope,
        "record": record.record_id,
        "revision": record.revision,
    }


def _fingerprint_of(item: Decided) -> str | None:
    """The fingerprint to store for a record; None if the record is gone."""
    return None if _content_hash(item) is None else item.record.collection.model.fingerprint


def _content_hash(item: Decided) -> str | None:
    """The content hash to store. A record without text has one too: it was looked at."""
    if item.action is not Action.REMOVE:
        return item.record.content_hash
    return content_hash("", item.record.collection.model) if item.record.exists else None


def _follows_all_changes(item: Decided) -> bool:
    return item.error is None and not item.record.is_behind


def _statements(
    sql: str, rows: Sequence[Mapping[str, Any]], *parameters: Parameter
) -> list[Statement]:
    """One statement for each 1.5 MB of rows; none for no rows."""
    groups = json_groups(rows) if rows else ()
    return [Statement(sql, (payload, *parameters)) for payload in groups]
