"""Store vectors and what is known of them, for the revision that they were made of.

A record that was written since has another revision: then nothing is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cognate.embedding.decide import Action
from cognate.embedding.sketches import sketch
from cognate.embedding.states import CURRENT_STATE, fingerprint_of, revision_of, store_states
from cognate.ports import FLOAT32_BYTES, Statement
from cognate.sql import json_groups

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.embedding.decide import Work
    from cognate.embedding.embed import Placed
    from cognate.schema.collections import Collection

_NOT_STORED: Final = (
    " AND NOT (s.embedded_revision IS s.revision "
    "AND s.fingerprint IS json_each.value ->> 'fingerprint')"
)
"""An SQL condition: no vectors of that revision and of today's model are stored."""


def store_early(works: Sequence[Work], now: datetime) -> list[Statement]:
    """Store the vectors of records before their jobs have run, and what is known of them.

    If a job has stored them meanwhile, nothing is changed.
    """
    components = Components()
    return [
        *store_components(works, components, early=True),
        *store_states(works, components, now, early=True),
    ]


def store_components(
    works: Sequence[Work], components: Components, *, early: bool = False
) -> list[Statement]:
    """One statement for up to 1.5 MB of vectors of a table, whatever their number.

    With `early`, only where none are stored for the revision yet.
    """
    condition = _NOT_STORED if early else ""
    by_table: dict[str, tuple[Collection, list[dict[str, Any]]]] = {}
    for work in works:
        if work.action is Action.REINDEX:
            continue
        collection = work.task.collection
        vectors = components.hex(work.placed) if work.action is Action.EMBED else None
        by_table.setdefault(collection.scope, (collection, []))[1].append(
            {**revision_of(work), "vectors": vectors, "fingerprint": fingerprint_of(work)}
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
