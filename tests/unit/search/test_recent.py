"""A search compares thousands of records that the index does not show yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cognate.embedding.sketches import by_distance, sketch
from cognate.errors import DatabaseError
from cognate.ports import StoredVectors
from cognate.schema import Thresholds
from cognate.search import candidates
from cognate.search.filters import Filter
from cognate.search.nearest import TOO_MANY_RECENT, nearest
from cognate.search.recent import SKETCHED_CHUNKS
from cognate.search.similarity import classify
from tests.busy import Busy, class_of, wrong
from tests.stage.between import Between
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database, Row, Statement
    from cognate.search.nearest import Nearest
    from tests.busy import Matrix

RECORDS = 5000
LATER = "9998"
"""A time after everything that an index can show."""


async def ask(stage: Stage, query: Matrix) -> Nearest:
    """Search by a vector instead of a text."""
    vector = StoredVectors.of(query.tolist())
    return await nearest(stage.platform, CLAIMS, ACME, vector, filter=Filter(), wanted=10)


async def filled(*organizations: Busy) -> Stage:
    """A stage whose index shows none of these records."""
    stage = Stage()
    for busy in organizations:
        for statement in busy.statements(LATER):
            await stage.local.database.batch([statement])
    return stage


async def test_five_thousand_unseen_records_are_decided_as_by_a_full_comparison() -> None:
    """A whole search decides as a full comparison does, and it is never degraded."""
    busy = Busy.drawn(ACME, RECORDS, 1)
    stage = await filled(busy, Busy.drawn(GLOBEX, 100, 2))
    verdicts = []
    for query in busy.queries(60, 3):
        found = await ask(stage, query)
        assert found.degraded is None
        assert found.matches[0].score == pytest.approx(busy.best(query), abs=1e-6)
        verdicts.append((str(classify(found.matches[0].score, Thresholds())), busy.verdict(query)))
    assert wrong(verdicts) == 0
    assert {expected for _, expected in verdicts} == {"NEW", "RELATED", "CONFIRMS", "DUPLICATE"}


def test_sketches_hold_the_nearest_of_five_thousand_in_999_of_1000() -> None:
    """Of a thousand random queries near the thresholds, at most one verdict may differ."""
    busy = Busy.drawn(ACME, RECORDS, 4)
    sketches = "".join(sketch(vector.tobytes()) for vector in busy.vectors)
    queries = np.array(list(busy.queries(1000, 5)))
    exact = queries @ busy.vectors.T
    missed = 0
    for query, cosines in zip(queries, exact, strict=True):
        chosen = by_distance(sketch(query.tobytes()), sketches)[:SKETCHED_CHUNKS]
        missed += class_of(cosines[chosen].max()) != class_of(cosines.max())
    assert missed <= 1


async def test_beyond_the_bound_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was not compared may be nearer, so only DUPLICATE is a verdict."""
    monkeypatch.setattr(candidates, "MAX_SKETCHES", RECORDS - 1)
    busy = Busy.drawn(ACME, RECORDS, 6)
    found = await ask(await filled(busy), next(busy.queries(1, 7)))
    assert (found.degraded, found.best_is_certain) == (TOO_MANY_RECENT, False)


async def test_records_that_are_deleted_while_a_search_looks_leave_nothing_to_compare() -> None:
    """The records disappear after the first D1 call, before their sketches are read."""
    busy = Busy.drawn(ACME, 200, 8)
    stage = await filled(busy)

    async def delete() -> None:
        await stage.rows("DELETE FROM claims")

    database = Between(stage.local.database, "WITH recent", delete)
    stage.with_database(database)
    found = await ask(stage, next(busy.queries(1, 9)))
    assert (database.happened, found.matches, found.degraded) == (True, [], None)


async def test_records_without_sketches_leave_no_verdict() -> None:
    """Records without sketches cannot be compared, so there is no verdict."""
    busy = Busy.drawn(ACME, 200, 8)
    stage = await filled(busy)
    await stage.rows("UPDATE cognate_embeddings SET sketch = NULL")
    found = await ask(stage, next(busy.queries(1, 9)))
    assert (found.degraded, found.best_is_certain) == (TOO_MANY_RECENT, False)


class ReadOnly:
    """A database that answers reads and refuses writes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        if not all(item.sql.startswith(("SELECT", "WITH")) for item in statements):
            message = "D1 takes nothing"
            raise DatabaseError(message)
        return await self.database.batch(statements)


async def test_a_search_needs_no_writes() -> None:
    """A search succeeds even if it can keep no vectors and no progress of the index."""
    busy = Busy.drawn(ACME, 200, 10)
    stage = await filled(busy)
    await stage.write(ACME, "embedded", "a text that the index has accepted")
    await stage.drain()
    await stage.write(ACME, "waits", "a text that waits")
    stage.local.clock.advance(60)
    before = stage.calls("VECTORIZE.describe")
    stage.with_database(ReadOnly(stage.local.database))
    found = await ask(stage, next(busy.queries(1, 11)))
    assert (found.degraded, found.pending) == (None, 1)
    assert stage.calls("VECTORIZE.describe") - before == 1
