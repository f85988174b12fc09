"""Store vectors and what is known of them, for the revision that they were made of.

A record that was written since has another revision: then nothing is stored.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cognate.embedding.decide import Action, Work
from cognate.embedding.fingerprint import content_hash, fingerprint
from cognate.embedding.sketches import sketch
from cognate.ports import FLOAT32_BYTES, Statement
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.embedding.embed import Placed
    from cognate.schema.collections import Collection

RECORD_KEY = (
    "organization_id = value ->> 'organization' AND scope = value ->> 'scope' "
    "AND record_id = value ->> 'record'"
)
CURRENT_STATE = (
    "SELECT 1 FROM cognate_embeddings s "
    "WHERE s.organization_id = json_each.value ->> 'organization' "
    "AND s.scope = json_each.value ->> 'scope' AND s.record_id = json_each.value ->> 'record' "
    "AND s.revision = json_each.value ->> 'revision'"
)


REPAIR_WAITS = (
    "EXISTS (SELECT 1 FROM cognate_jobs q WHERE q.organization_id = value ->> 'organization' "
    "AND q.scope = value ->> 'scope' AND q.record_id = value ->> 'record' "
    "AND q.status = 'queued' AND q.forced)"
)
"""Whether a job waits that was queued because the index may hold something else than D1 says."""


ADD_BINDING = (
    "index_bindings = CASE WHEN instr(index_bindings, json_quote(value ->> 'binding')) "
    "THEN index_bindings ELSE json_insert(index_bindings, '$[#]', value ->> 'binding') END"
)
"""An SQL assignment: the index `value ->> 'binding'` may hold vectors of the record too."""


_STORED = (
    "{0}embedded_revision IS {0}revision AND {0}fingerprint IS json_each.value ->> 'fingerprint'"
)
"""Whether vectors of this revision are stored already, by the model of now."""


def record_key(work: Work) -> dict[str, Any]:
    """The record of a work, and the revision that was read, for a JSON parameter."""
    task = work.task
    return {
        "organization": task.organization_id,
        "scope": task.collection.scope,
        "record": task.record_id,
        "revision": task.revision,
    }


def store_early(works: Sequence[Work], moment: str) -> list[Statement]:
    """Store the vectors of records before their jobs have run, and what is known of them.

    Where a job has stored them meanwhile nothing is changed: the index has them too then, and no
    other job would say so again.
    """
    components = Components()
    return [
        *store_components(works, components, early=True),
        *store_seen(works, early=True),
        *store_state(works, components, moment, early=True),
    ]


def store_seen(works: Sequence[Work], *, early: bool = False) -> list[Statement]:
    """Up to which change of its record an outcome holds, also where nothing had to be done.

    With `early`, only where no vectors are stored for the revision yet.
    """
    condition = f" AND NOT ({_STORED.format('')})" if early else ""
    return [
        Statement(
            "UPDATE cognate_embeddings SET changes_seen = value ->> 'changes' FROM json_each(?1) "  # noqa: S608 - a constant
            # The key of a record's vectors has its organization in it.
            "WHERE vector_key = value ->> 'key' AND revision = value ->> 'revision'"
            f"{condition}",
            (payload,),
        )
        for payload in json_groups(
            [
                {
                    **record_key(work),
                    "key": work.task.vector_key,
                    "changes": work.task.changes,
                    "fingerprint": _fingerprint(work),
                }
                for work in works
            ]
        )
    ]


def store_components(
    works: Sequence[Work], components: Components, *, early: bool = False
) -> list[Statement]:
    """One statement for up to 1.5 MB of vectors of a table, whatever their number.

    With `early`, only where none are stored for the revision yet.
    """
    condition = f" AND NOT ({_STORED.format('s.')})" if early else ""
    by_table: dict[str, tuple[Collection, list[dict[str, Any]]]] = {}
    for work in works:
        if work.action is Action.REINDEX:
            continue
        collection = work.task.collection
        vectors = components.hex(work.placed) if work.action is Action.EMBED else None
        by_table.setdefault(collection.scope, (collection, []))[1].append(
            {**record_key(work), "vectors": vectors, "fingerprint": _fingerprint(work)}
        )
    return [
        Statement(
            f'UPDATE "{collection.sql_table}" SET "{collection.embedding_column}" = '  # noqa: S608 - names of the schema
            # A table of a user may have a column called "value".
            "unhex(json_each.value ->> 'vectors') FROM json_each(?1) "
            f'WHERE "{collection.sql_table}".organization_id = '
            "json_each.value ->> 'organization' "
            f"AND \"{collection.sql_table}\".id = json_each.value ->> 'record' "
            f"AND EXISTS ({CURRENT_STATE}{condition})",
            (payload,),
        )
        for collection, rows in by_table.values()
        for payload in json_groups(rows)
    ]


class Components:
    """The float32 bytes of batches, each taken out of its runtime once."""

    def __init__(self) -> None:
        """Start with none."""
        self._batches: dict[int, bytes] = {}

    def hex(self, placed: Sequence[Placed]) -> str:
        """The vectors at these places, one after the other, as hexadecimal digits."""
        return "".join(self._row(place).hex() for place in placed)

    def sketches(self, placed: Sequence[Placed]) -> str:
        """Their sketches, one after the other."""
        return "".join(sketch(self._row(place)) for place in placed)

    def _row(self, place: Placed) -> bytes:
        data = self._batches.get(id(place.vectors))
        if data is None:
            data = self._batches[id(place.vectors)] = place.vectors.float32()
        size = place.vectors.lengths()[place.position] * FLOAT32_BYTES
        return data[place.position * size : (place.position + 1) * size]


def store_state(
    works: Sequence[Work], components: Components, moment: str, *, early: bool = False
) -> list[Statement]:
    """Write down what is stored of each record, and whether the index holds it.

    With `early`, only where none are stored for the revision yet.
    """
    condition = f" AND NOT ({_STORED.format('')})" if early else ""
    rows = []
    for work in works:
        gone = work.action is Action.REMOVE
        rows.append(
            {
                **record_key(work),
                "content_hash": _hash(work),
                "fingerprint": _fingerprint(work),
                "reindexed": work.action is Action.REINDEX,
                "index_hash": work.task.index_hash if _is_indexed(work) else None,
                "chunks": json.dumps([[part.start, part.end] for part in work.chunks]),
                "binding": work.binding,
                "embedded_at": None if gone else moment,
                "sketch": (
                    components.sketches(work.placed) if work.action is Action.EMBED else None
                ),
            }
        )
    return [
        Statement(
            "UPDATE cognate_embeddings SET content_hash = value ->> 'content_hash', "  # noqa: S608 - a constant
            "fingerprint = CASE WHEN value ->> 'reindexed' THEN fingerprint "
            "ELSE value ->> 'fingerprint' END, "
            "sketch = CASE WHEN value ->> 'reindexed' THEN sketch "
            "ELSE value ->> 'sketch' END, "
            # What the index was given once more, it shows already.
            "indexed_at = CASE WHEN value ->> 'reindexed' "
            "AND index_hash = value ->> 'index_hash' THEN indexed_at ELSE ?2 END, "
            f"index_hash = CASE WHEN {REPAIR_WAITS} THEN NULL ELSE value ->> 'index_hash' END, "
            "chunks = value ->> 'chunks', embedded_at = value ->> 'embedded_at', "
            f"embedded_revision = revision, {ADD_BINDING} "
            f"FROM json_each(?1) WHERE {RECORD_KEY} AND revision = value ->> 'revision'"
            f"{condition}",
            (payload, moment),
        )
        for payload in json_groups(rows)
    ]


def _is_indexed(work: Work) -> bool:
    """Whether the index has accepted what D1 is to hold."""
    return work.wrote_index and work.error is None and work.action is not Action.REMOVE


def _hash(work: Work) -> str | None:
    """What says that a record was looked at, also where it has no text and so no vectors."""
    if work.action is not Action.REMOVE:
        return work.task.content_hash
    return content_hash("", work.task.collection.model) if work.task.exists else None


def _fingerprint(work: Work) -> str | None:
    return None if _hash(work) is None else fingerprint(work.task.collection.model)
