"""Follow an index by the mutation that it names as processed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cognate.embedding.index_progress import (
    CLOCK_SKEW,
    PROBE_ID,
    PROBE_PATIENCE,
    Mutation,
    TrackedIndex,
    follow_indexes,
    record_statements,
)
from cognate.ports import Platform
from cognate.times import from_iso, to_iso
from tests.stage.forwarding import ForwardingIndex
from tests.stage.platform import ACME, CLAIMS, Stage

if TYPE_CHECKING:
    from cognate.ports import IndexState, Row

BINDING = CLAIMS.model.index_binding


@dataclass
class Naming(ForwardingIndex):
    """Make an index name this mutation as the newest that it has processed."""

    mutation: str

    async def describe(self) -> IndexState:
        """See `ports.VectorIndex.describe`."""
        return replace(await self.inner.describe(), processed=self.mutation)


async def progress(stage: Stage) -> Row | None:
    """Read what is known of the index of the claims."""
    rows = await stage.rows("SELECT * FROM cognate_indexes WHERE binding = ?1", BINDING)
    return rows[0] if rows else None


async def mutations(stage: Stage) -> list[Row]:
    """Read the kept mutations, the oldest first."""
    return await stage.rows("SELECT * FROM cognate_mutations ORDER BY ended_at")


async def test_nothing_is_asked_of_an_index_that_accepted_nothing() -> None:
    """An index that accepted nothing costs no call and no written row."""
    stage = Stage()
    await follow_indexes(stage.local)
    assert (stage.calls(f"{BINDING}.describe"), await progress(stage)) == (0, None)


async def test_a_tracked_index_only_notes_mutations() -> None:
    """A query and a description are those of the index below."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    inner = stage.local.indexes[BINDING]
    tracked = TrackedIndex(inner, BINDING, stage.local.clock)
    vectors = await stage.local.embedder.embed(CLAIMS.model, ["a red harbour"])

    found = await tracked.query(vectors, top_k=5, conditions={})

    assert len(found) == 1
    assert await inner.query(vectors, top_k=5, conditions={}) == found
    assert await inner.describe() == await tracked.describe()
    assert tracked.mutations == []


async def test_a_batch_keeps_its_mutations() -> None:
    """A batch keeps its mutations with the times before and after their calls."""
    stage = Stage()
    before = stage.local.clock.now()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    [kept] = await mutations(stage)
    assert (kept["binding"], kept["probe"]) == (BINDING, 0)
    assert from_iso(kept["began_at"]) == before - CLOCK_SKEW
    assert from_iso(kept["ended_at"]) >= before


async def test_what_was_answered_before_a_processed_mutation_began_is_shown() -> None:
    """A processed mutation shows what was answered before it began, and no later mutation."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.local.clock.advance(10)
    second = to_iso(stage.local.clock.now() - CLOCK_SKEW)
    await stage.write(ACME, "r2", "a blue mountain")
    await stage.drain()
    stage.local.bindings.indexes[BINDING].visibility_seconds = 600
    stage.local.clock.advance(10)
    await stage.write(ACME, "r3", "a green valley")
    await stage.drain()
    await follow_indexes(stage.local)
    known = await progress(stage)
    assert known is not None
    assert (known["shown_before"], known["vectors"]) == (second, 2)
    first, *rest = [
        row["record_id"]
        for row in await stage.rows(
            "SELECT record_id FROM cognate_embeddings WHERE shown_after >= ?1 ORDER BY record_id",
            second,
        )
    ]
    assert (first, rest) == ("r2", ["r3"])


async def test_the_last_mutation_is_followed_by_a_probe() -> None:
    """If nothing follows the last mutation, one probe is sent."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    calls: list[int] = []
    for _ in range(6):
        stage.local.clock.advance(60)
        await follow_indexes(stage.local)
        calls.append(stage.calls(f"{BINDING}.deleteByIds"))
    assert calls == [1] * 6
    state = await stage.state(ACME, "r1")
    known = await progress(stage)
    assert known is not None
    assert state["shown_after"] < known["shown_before"]
    before = stage.calls(f"{BINDING}.describe")
    await follow_indexes(stage.local)
    assert stage.calls(f"{BINDING}.describe") == before


async def test_a_probe_is_sent_only_when_it_must_be_the_last_by_any_clock() -> None:
    """A probe is sent only after the skew of the clocks has passed."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.local.clock.advance(CLOCK_SKEW.total_seconds())
    await follow_indexes(stage.local)
    assert stage.calls(f"{BINDING}.deleteByIds") == 0
    stage.local.clock.advance(0.001)
    await follow_indexes(stage.local)
    assert stage.calls(f"{BINDING}.deleteByIds") == 1


async def test_a_probe_changes_nothing() -> None:
    """A probe deletes no vector."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    before = stage.indexed()
    await stage.show()
    assert stage.indexed() == before
    assert PROBE_ID not in before


@pytest.mark.parametrize("method", ["describe", "deleteByIds"])
async def test_an_index_that_fails_is_looked_at_again(method: str) -> None:
    """If an index fails, it is asked again later, and nothing is lost."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.fault(method, message="out of reach", count=1)
    stage.local.clock.advance(60)
    await follow_indexes(stage.local)
    assert len(await mutations(stage)) == 1
    await stage.show()
    known = await progress(stage)
    assert known is not None
    assert known["shown_before"] > (await stage.state(ACME, "r1"))["shown_after"]


async def test_a_mutation_of_somebody_else_proves_nothing() -> None:
    """A mutation of another Worker moves nothing on."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.local.bindings.indexes[BINDING].delete_by_ids(["unknown"])
    await follow_indexes(stage.local)
    assert await progress(stage) is None


async def test_a_mutation_of_somebody_else_behind_a_probe_is_followed_by_another() -> None:
    """If another Worker's mutation follows a probe, another probe is sent after ten minutes."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    stage.local.clock.advance(CLOCK_SKEW.total_seconds() + 1)
    await follow_indexes(stage.local)
    stage.local.bindings.indexes[BINDING].delete_by_ids(["unknown"])
    before = stage.calls(f"{BINDING}.deleteByIds")
    stage.local.clock.advance(PROBE_PATIENCE.total_seconds() - 10)
    await follow_indexes(stage.local)
    assert stage.calls(f"{BINDING}.deleteByIds") == before
    stage.local.clock.advance(10 + CLOCK_SKEW.total_seconds())
    await follow_indexes(stage.local)
    await follow_indexes(stage.local)
    known = await progress(stage)
    assert known is not None
    assert known["shown_before"] > (await stage.state(ACME, "r1"))["shown_after"]


async def test_an_older_look_never_moves_an_index_back() -> None:
    """A look that began earlier never moves an index back."""
    stage = Stage()
    now = stage.local.clock.now()
    for number in range(2):
        await stage.local.database.batch(
            record_statements(
                [Mutation(BINDING, f"m{number}", *[now + timedelta(minutes=number)] * 2)]
            )
        )
    index = stage.local.indexes[BINDING]
    for name in ("m1", "m0"):
        stage.local.clock.advance(1)
        platform = Platform(
            embedder=stage.local.embedder,
            indexes={BINDING: Naming(index, name)},
            database=stage.local.database,
            auth_database=stage.local.database,
            queue=stage.local.queue,
            clock=stage.local.clock,
        )
        await follow_indexes(platform)
    known = await progress(stage)
    assert known is not None
    assert known["shown_before"] == to_iso(now + timedelta(minutes=1) - CLOCK_SKEW)


async def test_kept_mutations_do_not_pile_up() -> None:
    """Mutations that the index has processed are removed."""
    stage = Stage()
    for number in range(20):
        await stage.write(ACME, f"r{number}", f"text {number}")
        await stage.drain()
        stage.local.clock.advance(10)
        await follow_indexes(stage.local)
    await stage.show()
    assert [row["probe"] for row in await mutations(stage)] == [1]
