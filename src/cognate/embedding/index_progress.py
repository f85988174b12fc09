"""Follow how far each Vectorize index has processed what it accepted.

Vectorize accepts a mutation at once and shows it later. `describe()` names the newest mutation that
it has processed. It processes mutations in the order in which it accepted them, so when it names
one, it also shows every mutation that was answered before that one was sent. This module keeps the
mutations of the consumer with their times and derives one time for each index: `shown_before`. A
search compares what the index accepted later from D1.

The last mutation cannot prove that mutations sent beside it are shown. Where nothing follows, a
*probe* does: the deletion of an id that no vector has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.errors import VectorIndexError
from cognate.events import emit
from cognate.ports import Statement
from cognate.sql import json_groups
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from cognate.ports import (
        Clock,
        IndexMatch,
        IndexState,
        Platform,
        Row,
        VectorEntry,
        VectorIndex,
        Vectors,
    )

CLOCK_SKEW: Final = timedelta(seconds=2)
"""How far the clocks of two Cloudflare machines may differ; they are kept within milliseconds."""

PROBE_ID: Final = "cognate-probe"
"""An id that no vector has: its deletion changes nothing and is processed like any mutation."""

PROBE_PATIENCE: Final = timedelta(minutes=10)
"""After this time another probe is sent. The index may name a mutation behind the last probe that
nobody has stored, because its batch died or another Worker sent it."""

MAX_LOOKED_AT: Final = 5000
"""The mutation that an index names is looked for among so many stored ones. That is more than an
index has open if it is an hour behind, at a hundred thousand records a minute."""


_PROGRESS: Final = """SELECT value AS binding,
  (SELECT ended_at FROM cognate_mutations m WHERE m.binding = value AND m.probe = 0
    ORDER BY m.ended_at DESC LIMIT 1) AS newest,
  (SELECT began_at FROM cognate_mutations m WHERE m.binding = value AND m.probe = 1
    ORDER BY m.ended_at DESC LIMIT 1) AS probed
FROM json_each(?1) WHERE newest IS NOT NULL
"""


@dataclass(frozen=True)
class Mutation:
    """A mutation that an index has accepted, with the times before and after the call."""

    binding: str
    id: str
    began_at: datetime
    ended_at: datetime


class TrackedIndex:
    """A `ports.VectorIndex` that collects the mutations which another one has accepted.

    Attributes:
        mutations: in the order of the calls.
    """

    def __init__(self, index: VectorIndex, binding: str, clock: Clock) -> None:
        """Wrap the index of a binding."""
        self._index = index
        self._binding = binding
        self._clock = clock
        self.mutations: list[Mutation] = []

    async def upsert(self, entries: Sequence[VectorEntry]) -> str:
        """See `ports.VectorIndex.upsert`."""
        began_at = self._clock.now()
        mutation = await self._index.upsert(entries)
        self._add([mutation], began_at)
        return mutation

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """See `ports.VectorIndex.delete`."""
        began_at = self._clock.now()
        mutations = await self._index.delete(ids)
        self._add(mutations, began_at)
        return mutations

    async def query(
        self, vectors: Vectors, *, top_k: int, conditions: Mapping[str, Any]
    ) -> list[IndexMatch]:
        """See `ports.VectorIndex.query`."""
        return await self._index.query(vectors, top_k=top_k, conditions=conditions)

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        return await self._index.describe()

    def _add(self, mutations: Sequence[str], began_at: datetime) -> None:
        ended_at = self._clock.now()
        self.mutations += [Mutation(self._binding, item, began_at, ended_at) for item in mutations]


def record_statements(mutations: Sequence[Mutation], *, probe: bool = False) -> list[Statement]:
    """Store accepted mutations. Without mutations there is no statement."""
    rows = [
        {
            "binding": item.binding,
            "id": item.id,
            "began_at": to_iso(item.began_at - CLOCK_SKEW),
            "ended_at": to_iso(item.ended_at),
        }
        for item in mutations
    ]
    return [
        Statement(
            "INSERT OR IGNORE INTO cognate_mutations (binding, id, began_at, ended_at, probe) "
            "SELECT value ->> 'binding', value ->> 'id', value ->> 'began_at', "
            "value ->> 'ended_at', ?2 FROM json_each(?1)",
            (payload, int(probe)),
        )
        for payload in json_groups(rows)
    ]


async def follow_indexes(platform: Platform) -> None:
    """Ask each index how far it is, if it has accepted something that it may not show yet.

    An index that shows everything costs no call and no written row.

    Raises:
        DatabaseError: D1 failed; nothing was changed.
    """
    statement = Statement(_PROGRESS, (json.dumps(sorted(platform.indexes)),))
    [rows] = await platform.database.batch([statement])
    for row in rows:
        try:
            await _follow(platform, platform.indexes[row["binding"]], row)
        except VectorIndexError as error:
            emit("index.progress_unknown", binding=row["binding"], error=error.code)


async def _follow(platform: Platform, index: VectorIndex, row: Row) -> None:
    binding = row["binding"]
    state = await index.describe()
    observed_at = platform.clock.now()
    statements = [] if state.processed is None else _advance(binding, state, observed_at)
    # A probe must begin after every mutation has ended, by any clock.
    awaited_from = max(row["newest"], to_iso(observed_at - PROBE_PATIENCE))
    covered = row["probed"] is not None and row["probed"] > awaited_from
    if not covered and to_iso(observed_at - CLOCK_SKEW) > row["newest"]:
        tracked = TrackedIndex(index, binding, platform.clock)
        await tracked.delete([PROBE_ID])
        statements += record_statements(tracked.mutations, probe=True)
    if statements:
        await platform.database.batch(statements)


def _advance(binding: str, state: IndexState, observed_at: datetime) -> list[Statement]:
    """Move an index on to the mutation that it names, if that mutation is known."""
    return [
        Statement(
            "INSERT INTO cognate_indexes (binding, shown_before, observed_at, "
            "earlier_shown_before, earlier_observed_at, vectors) "
            "SELECT ?1, began_at, ?3, '', '', ?4 FROM (SELECT id, began_at FROM cognate_mutations "
            "WHERE binding = ?1 ORDER BY probe DESC, ended_at DESC LIMIT ?5) WHERE id = ?2 "
            "ON CONFLICT (binding) DO UPDATE SET earlier_shown_before = shown_before, "
            "earlier_observed_at = observed_at, observed_at = excluded.observed_at, "
            "shown_before = MAX(shown_before, excluded.shown_before), vectors = excluded.vectors "
            "WHERE excluded.observed_at > observed_at",
            (binding, state.processed, to_iso(observed_at), state.vectors, MAX_LOOKED_AT),
        ),
        Statement(
            "DELETE FROM cognate_mutations WHERE binding = ?1 AND probe IN (0, 1) AND ended_at < ("
            "SELECT shown_before FROM cognate_indexes WHERE binding = ?1)",
            (binding,),
        ),
    ]
