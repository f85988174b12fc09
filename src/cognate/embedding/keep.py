"""Keep: the statements that store vectors, and what is known of them.

All of them hold for the revision of the record that was read. If the record was written since, its
vectors are not stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.decide import Action
from cognate.embedding.index_progress import record_statements
from cognate.embedding.sketches import sketch
from cognate.embedding.states import (
    CURRENT_STATE,
    doubt_index,
    fingerprint_of,
    forget_index,
    remove_bindings,
    remove_states,
    revision_of,
    store_seen,
    store_states,
)
from cognate.ports import FLOAT32_BYTES, Statement
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.embedding.embed import Embedded, VectorRow
    from cognate.embedding.index import Indexed
    from cognate.embedding.index_progress import Mutation
    from cognate.schema.collections import Collection

_NOT_STORED: Final = (
    " AND NOT (s.embedded_revision IS s.revision "
    "AND s.fingerprint IS json_each.value ->> 'fingerprint')"
)
"""An SQL condition: no vectors of that revision and of today's model are stored."""


def keep_records(
    indexed: Sequence[Indexed], mutations: Sequence[Mutation], now: datetime
) -> list[Statement]:
    """Store the outcome of a batch, in an order that must be kept.

    Args:
        indexed: the records.
        mutations: what the indexes have accepted for them.
        now: the time, after the last call of an index.
    """
    kept = [item for item in indexed if _is_kept(item)]
    others = [item for item in indexed if not _is_kept(item)]
    components = Components()
    return [
        *_store_components(kept, components),
        *remove_states([item for item in indexed if _is_removed(item)]),
        *store_states(kept, components, now),
        *store_seen(others),
        *forget_index([item for item in others if item.leaves_index_unsure]),
        *doubt_index([item for item in indexed if item.may_have_written], now),
        *remove_bindings(
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
        *store_states(embedded, components, now, early=True),
    ]


def _is_kept(item: Indexed) -> bool:
    """Whether there is something to store.

    Vectors are stored even if the index did not accept them. The next try writes them to the index
    without another call of the model, and until then a search finds them in D1.
    """
    if item.error is not None:
        return item.action is Action.EMBED and bool(item.vectors)
    return item.action is not Action.NOTHING


def _is_removed(item: Indexed) -> bool:
    """Whether the record was deleted, and no index has vectors of it."""
    return item.is_deleted and set(item.other_bindings) <= set(item.left_bindings)


def _emptied_bindings(item: Indexed) -> list[str]:
    """Indexes to take off the state row: they have no vectors of the record any more.

    Rarely any: the state row of a deleted record is removed as a whole.
    """
    if item.is_deleted and not (_is_removed(item) and not item.left_bindings):
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
            {**revision_of(item), "vectors": vectors, "fingerprint": fingerprint_of(item)}
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
    """The float32 bytes of batches of vectors. Each batch leaves JavaScript once."""

    def __init__(self) -> None:
        """Start without a batch."""
        self._batches: dict[int, bytes] = {}

    def hex(self, rows: Sequence[VectorRow]) -> str:
        """The vectors, one after the other, as hexadecimal digits."""
        return "".join(self._bytes(row).hex() for row in rows)

    def sketches(self, rows: Sequence[VectorRow]) -> str:
        """The sketches of the vectors, one after the other."""
        return "".join(sketch(self._bytes(row)) for row in rows)

    def _bytes(self, row: VectorRow) -> bytes:
        data = self._batches.get(id(row.vectors))
        if data is None:
            data = self._batches[id(row.vectors)] = row.vectors.float32()
        size = row.vectors.lengths()[row.position] * FLOAT32_BYTES
        return data[row.position * size : (row.position + 1) * size]
