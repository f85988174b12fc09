"""Results are stored only for the revision that was read, and in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.consumer import consume
from cognate.jobs.messages import Delivery
from tests.stage.faults import FailingDatabase, Worker
from tests.stage.platform import ACME, QUEUE, SCHEMA, Stage, long_text

if TYPE_CHECKING:
    from cognate.jobs.messages import RetryDelays
    from cognate.ports import Platform


def worker_of(stage: Stage) -> tuple[Worker[RetryDelays], list[Delivery]]:
    """Start a consumer of the messages that are in the queue."""
    deliveries = stage.local.queue.take()
    stage.local.queue.settle({})

    async def work(platform: Platform) -> RetryDelays:
        return await consume(platform, SCHEMA, QUEUE, deliveries)

    return Worker(stage.local, work), deliveries


def again(deliveries: list[Delivery]) -> list[Delivery]:
    """Deliver the same messages once more."""
    return [Delivery(item.message_id, item.body, item.attempts + 1) for item in deliveries]


async def test_a_slow_job_for_an_older_text_is_dropped_and_repaired() -> None:
    """A slow job that overwrote a newer vector in the index is repaired, and needs no model."""
    stage = Stage()
    old = await stage.write(ACME, "r1", "the old text")
    slow, _ = worker_of(stage)
    await slow.step()
    new = await stage.write(ACME, "r1", "the new text")
    await stage.drain()
    await slow.finish()
    assert (await stage.status(old), await stage.status(new)) == ("superseded", "done")
    assert await stage.discrepancies() != []  # The index has the old vector until the repair.
    calls = stage.calls("AI.run")
    await stage.settle()
    assert await stage.discrepancies() == []
    assert stage.calls("AI.run") == calls + 1  # That of the inspection: the repair needs none.


async def test_a_job_that_gives_way_after_it_may_have_written_says_so() -> None:
    """A superseded job that may have written to the index makes the next job write it again."""
    stage = Stage()
    await stage.write(ACME, "r1", "short")
    await stage.settle()
    older = await stage.write(ACME, "r1", long_text(3))
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({3})))
    deliveries = stage.local.queue.take()
    await stage.consume(deliveries)
    stage.platform = stage.local
    await stage.write(ACME, "r1", "other")
    stage.fault("run", message="3040: out of capacity")
    await stage.consume(again(deliveries))
    assert await stage.status(older) == "superseded"
    assert (await stage.state(ACME, "r1"))["index_hash"] is None
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_job_that_is_given_up_leaves_no_false_trust() -> None:
    """After a failed job that may have written to the index, the next job writes it again."""
    stage = Stage()
    await stage.write(ACME, "r1", "short")
    await stage.settle()
    given_up = await stage.write(ACME, "r1", "another")
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({2})))
    deliveries = stage.local.queue.take()
    await stage.consume(deliveries)
    stage.platform = stage.local
    stage.fault("run", message="5006: invalid input")
    await stage.consume(again(deliveries))
    assert await stage.status(given_up) == "failed"
    await stage.write(ACME, "r1", "short")
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_record_that_is_made_again_gets_its_vectors_again() -> None:
    """A record that is deleted and made again gets vectors again."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    await stage.delete(ACME, "r1")
    await stage.write(ACME, "r1", "a text")
    await stage.settle()
    assert await stage.discrepancies() == []


@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("second", ["a text", "other text", long_text(2), " ", None])
async def test_a_database_that_fails_at_any_call(
    second: str | None, call: int, *, heard: bool
) -> None:
    """Whichever call of D1 fails, or only its answer is lost, D1 and the index agree in the end."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text", "one")
    await stage.drain()
    if second is None:
        await stage.delete(ACME, "r1")
    else:
        await stage.write(ACME, "r1", second, "two")
    calls = frozenset({call})
    stage.with_database(
        FailingDatabase(stage.local.database, refused=calls)
        if heard
        else FailingDatabase(stage.local.database, unheard=calls)
    )
    await stage.deliver()
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_a_hash_is_written_only_with_its_vectors() -> None:
    """No content hash is stored without vectors."""
    stage = Stage()
    stage.fault("run", message="3040: out of capacity")
    await stage.write(ACME, "r1", "a text")
    await stage.deliver()
    state = await stage.state(ACME, "r1")
    assert (state["content_hash"], state["embedded_at"]) == (None, None)
    await stage.settle()
    assert await stage.discrepancies() == []


async def test_the_old_vectors_serve_until_the_new_ones_are_stored() -> None:
    """If a new text is refused, the old vectors stay, and the job says why."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    before = await stage.rows("SELECT hex(embedding) AS v FROM claims")
    stage.fault("run", message="5006: invalid input")
    job_id = await stage.write(ACME, "r1", "poison")
    await stage.drain()
    assert await stage.rows("SELECT hex(embedding) AS v FROM claims") == before
    assert len(stage.vector_ids(ACME, "r1")) == 1
    assert (await stage.job(job_id))["error_code"] == "AI_INPUT_REJECTED"
