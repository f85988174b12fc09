"""A state row stays exactly as long as an index may hold vectors of its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stage.platform import ACME, Stage, long_text
from tests.unit.embedding.test_finish import again, worker_of

if TYPE_CHECKING:
    from cognate.jobs.messages import RetryDelays
    from tests.stage.faults import Worker


async def _states(stage: Stage) -> int:
    return len(await stage.rows("SELECT 1 FROM cognate_embeddings"))


async def _slow_consumer_of_a_deleted_record(stage: Stage, steps: int) -> Worker[RetryDelays]:
    """A consumer with vectors in its hands, whose record and its state row are gone.

    After two steps it has written down, too, how many vectors it will write.
    """
    await stage.write(ACME, "r1", long_text(3))
    slow, _ = worker_of(stage)
    for _ in range(steps):
        await slow.step()
    stage.local.clock.advance(1000)
    await stage.delete(ACME, "r1")
    await stage.sweep()
    await stage.drain()
    assert await _states(stage) == 0
    return slow


async def test_it_goes_with_the_vectors_of_a_deleted_record() -> None:
    """The state row of a deleted record goes once the index has accepted the deletion."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.settle()
    await stage.delete(ACME, "r1")
    stage.fault("deleteByIds")
    await stage.drain()
    assert await _states(stage) == 1

    await stage.settle()

    assert await _states(stage) == 0
    assert await stage.discrepancies() == []


async def test_the_state_of_a_blank_record_stays() -> None:
    """The state row of a blank record stays."""
    stage = Stage()
    await stage.write(ACME, "r1", " ")
    await stage.settle()
    assert await _states(stage) == 1


async def test_it_stays_while_another_job_of_the_record_is_pending() -> None:
    """The state row stays while another job of the record is open."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    dead, deliveries = worker_of(stage)
    for _ in range(3):
        await dead.step()
    await dead.kill()
    await stage.delete(ACME, "r1")
    await stage.drain()
    assert (await _states(stage), len(stage.vector_ids(ACME, "r1"))) == (1, 0)

    await stage.consume(again(deliveries))

    assert await _states(stage) == 0
    assert await stage.discrepancies() == []


@pytest.mark.parametrize("steps", [1, 2])
async def test_vectors_that_come_after_the_deletion_are_removed(steps: int) -> None:
    """Vectors that a late consumer writes after a deletion are removed."""
    stage = Stage()
    slow = await _slow_consumer_of_a_deleted_record(stage, steps)
    await slow.finish()
    assert len(stage.vector_ids(ACME, "r1")) == 3
    assert await _states(stage) == 1

    await stage.settle()

    assert await _states(stage) == 0
    assert await stage.discrepancies() == []


@pytest.mark.parametrize("steps", [1, 2])
async def test_no_revision_comes_back(steps: int) -> None:
    """A result for a deleted record does not count for a record that is made again."""
    stage = Stage()
    slow = await _slow_consumer_of_a_deleted_record(stage, steps)
    await stage.write(ACME, "r1", "made again")
    await stage.drain()
    await slow.finish()
    [row] = await stage.rows("SELECT hex(embedding) AS vectors FROM claims")

    await stage.settle()

    assert await stage.rows("SELECT hex(embedding) AS vectors FROM claims") == [row]
    assert await stage.discrepancies() == []


@pytest.mark.parametrize("newer_is_last", [True, False])
async def test_a_late_older_result_makes_the_index_doubtful_until_it_is_repaired(
    *, newer_is_last: bool
) -> None:
    """A late older result makes the index unsure until it is repaired."""
    stage = Stage()
    await stage.write(ACME, "r1", "the old text")
    slow, _ = worker_of(stage)
    await slow.step()
    await stage.write(ACME, "r1", "the new text")
    newer, _ = worker_of(stage)
    for _ in range(2):
        await newer.step()
    if not newer_is_last:
        await newer.finish()
    await slow.finish()
    await newer.finish()
    assert (await stage.state(ACME, "r1"))["index_hash"] is None
    assert (await stage.state(ACME, "r1"))["content_hash"] is not None

    await stage.settle()

    assert (await stage.state(ACME, "r1"))["index_hash"] is not None
    assert await stage.discrepancies() == []


async def test_what_a_dead_handler_may_have_written_makes_the_index_doubtful() -> None:
    """The index is unsure once the sweeper knows that a handler died."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.write(ACME, "r1", "a text")
    await stage.rows("UPDATE claims SET content = 'another text'")
    dead, _ = worker_of(stage)
    for _ in range(2):
        await dead.step()
    await dead.kill()
    stage.local.clock.advance(1000)
    assert (await stage.state(ACME, "r1"))["index_hash"] is not None

    await stage.sweep()

    assert (await stage.state(ACME, "r1"))["index_hash"] is None
