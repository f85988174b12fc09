"""The SQL that writes `cognate_embeddings`: one state row for each embedded record.

A state row says which text and metadata the stored vectors were made of, and what the index was
given. Each statement takes a JSON list of rows. Most of them name the revision that was read: if
the record was written since, its state row has another revision, and nothing is changed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.decide import Action
from cognate.embedding.fingerprint import content_hash, fingerprint
from cognate.ports import Statement
from cognate.sql import json_groups
from cognate.times import to_iso, to_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.embedding.decide import Work
    from cognate.embedding.keep import Components
    from cognate.ports import Parameter

CURRENT_STATE: Final = (
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
      SELECT 1 FROM cognate_jobs q
      WHERE q.organization_id = value ->> 'organization' AND q.scope = value ->> 'scope'
        AND q.record_id = value ->> 'record' AND q.status = 'queued' AND q.forced)
    THEN NULL ELSE value ->> 'index_hash' END,
  index_bindings = CASE WHEN instr(index_bindings, json_quote(value ->> 'binding'))
    THEN index_bindings ELSE json_insert(index_bindings, '$[#]', value ->> 'binding') END,
  chunks = value ->> 'chunks',
  embedded_at = value ->> 'embedded_at',
  embedded_revision = revision,
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
    SELECT 1 FROM cognate_jobs j
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


def store_states(
    works: Sequence[Work], components: Components, now: datetime, *, early: bool = False
) -> list[Statement]:
    """Store what is known of records whose vectors were stored, removed or indexed again.

    Args:
        works: the records.
        components: the vectors that were made.
        now: the time.
        early: change nothing where vectors of this revision and today's model are stored. A search
            stores vectors before the job of their record has run. If the job was faster, it has
            stored that the index has them too, and nothing else would say so again.
    """
    rows = [
        {
            **revision_of(work),
            "content_hash": _content_hash(work),
            "fingerprint": fingerprint_of(work),
            "reindexed": work.action is Action.REINDEX,
            "index_hash": work.task.index_hash if _is_indexed(work) else None,
            "chunks": json.dumps([[part.start, part.end] for part in work.chunks]),
            "binding": work.binding,
            "embedded_at": None if work.action is Action.REMOVE else to_iso(now),
            "sketch": components.sketches(work.placed) if work.action is Action.EMBED else None,
            "changes_seen": work.task.changes if _follows_all_changes(work) else None,
        }
        for work in works
    ]
    return _statements(_STORE + _UNLESS_STORED if early else _STORE, rows, to_iso(now))


def store_seen(works: Sequence[Work]) -> list[Statement]:
    """Store that records which needed nothing follow all changes that were read."""
    return _statements(
        _STORE_SEEN,
        [
            {**revision_of(work), "changes_seen": work.task.changes}
            for work in works
            if _follows_all_changes(work)
        ],
    )


def forget_index(works: Sequence[Work]) -> list[Statement]:
    """Store that the index may hold anything of these records: the next job writes it again."""
    return _statements(_FORGET_INDEX, [revision_of(work) for work in works])


def reserve_vectors(works: Sequence[Work]) -> list[Statement]:
    """Store how many vectors records may get in which index, whatever their revision is."""
    return _statements(
        _RESERVE,
        [
            {**revision_of(work), "max_chunks": len(work.chunks), "binding": work.binding}
            for work in works
        ],
    )


def remove_bindings(bindings: Sequence[tuple[Work, Sequence[str]]]) -> list[Statement]:
    """Store that these indexes have no vectors of a record any more."""
    return _statements(
        _REMOVE_BINDINGS, [{**revision_of(work), "bindings": names} for work, names in bindings]
    )


def remove_states(works: Sequence[Work]) -> list[Statement]:
    """Remove the state rows of records whose vectors are gone from every index.

    A row stays while another job of its record is pending.
    """
    return _statements(
        _REMOVE,
        [{"key": work.task.vector_key, "revision": work.task.revision} for work in works],
    )


def doubt_index(works: Sequence[Work], now: datetime) -> list[Statement]:
    """Store what a late write to the index means for records that were written since.

    The index may hold the older entry or the newer one. If the state row was removed meanwhile, an
    upsert came after the deletion: the row is made again, so that a job can remove its vectors. A
    row that was made again by others does not know of the upsert yet.
    """
    rows = {
        work.task.vector_key: {
            **revision_of(work),
            "key": work.task.vector_key,
            "max_chunks": work.task.max_chunks,
            "binding": work.binding,
        }
        for work in works
    }
    upserted = [rows[work.task.vector_key] for work in works if work.action is not Action.REMOVE]
    return [
        *_statements(_RESTORE, upserted, to_milliseconds(now)),
        *_statements(_DOUBT, list(rows.values())),
    ]


def revision_of(work: Work) -> dict[str, Any]:
    """The key of a record and the revision that was read, as fields of a JSON row."""
    task = work.task
    return {
        "organization": task.organization_id,
        "scope": task.collection.scope,
        "record": task.record_id,
        "revision": task.revision,
    }


def fingerprint_of(work: Work) -> str | None:
    """The fingerprint to store for a record; None if the record is gone."""
    return None if _content_hash(work) is None else fingerprint(work.task.collection.model)


def _content_hash(work: Work) -> str | None:
    """The content hash to store. A record without text has one too: it was looked at."""
    if work.action is not Action.REMOVE:
        return work.task.content_hash
    return content_hash("", work.task.collection.model) if work.task.exists else None


def _is_indexed(work: Work) -> bool:
    """Whether the index has accepted what D1 is to hold."""
    return work.wrote_index and work.error is None and work.action is not Action.REMOVE


def _follows_all_changes(work: Work) -> bool:
    return work.error is None and not work.task.is_behind


def _statements(
    sql: str, rows: Sequence[Mapping[str, Any]], *parameters: Parameter
) -> list[Statement]:
    """One statement for each 1.5 MB of rows; none for no rows."""
    return [Statement(sql, (payload, *parameters)) for payload in json_groups(rows)]
