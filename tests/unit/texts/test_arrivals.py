"""Texts of other Workers: what arrives is written down once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.consumer import receive
from cognate.jobs.messages import Delivery
from cognate.texts.arrivals import arrival_statements, late_arrival_statements
from tests.stage.platform import ACME, COLLECTIONS, Stage

if TYPE_CHECKING:
    from cognate.jobs.messages import Received

FOREIGN = {"type": "embedding", "organizationId": ACME, "content": "a text"}


def _received(*bodies: object) -> list[Received]:
    return [
        receive(Delivery(f"m{number}", body, 1), COLLECTIONS) for number, body in enumerate(bodies)
    ]


async def test_a_message_that_arrives_twice_is_one_job_and_one_text() -> None:
    """Its revision rises once."""
    stage = Stage()
    seen = []
    for seconds in (0, 60):
        stage.local.clock.advance(seconds)
        now = stage.local.clock.now()
        await stage.local.database.batch(arrival_statements(_received(FOREIGN), now))
        [state] = await stage.rows("SELECT revision FROM cognate_embeddings")
        seen.append(state["revision"])

    assert seen[0] == seen[1]
    assert await stage.rows("SELECT content FROM cognate_texts") == [{"content": "a text"}]
    assert await stage.jobs() == ["running"]


async def test_a_message_without_sense_is_a_failed_job_without_a_text() -> None:
    """The organization that it names can see it."""
    stage = Stage()
    odd = {"type": "embedding", "organizationId": ACME, "content": 7}
    statements = arrival_statements(_received(odd), stage.local.clock.now())
    await stage.local.database.batch(statements)

    [job] = await stage.rows("SELECT organization_id, status, error_code FROM cognate_jobs")
    assert job == {
        "organization_id": ACME,
        "status": "failed",
        "error_code": "MESSAGE_MALFORMED",
    }
    assert await stage.rows("SELECT 1 FROM cognate_embeddings") == []


async def test_a_late_text_takes_the_place_of_nothing_that_is_open() -> None:
    """A job that embeds what the record says now is newer than the dead letter."""
    stage = Stage()
    await stage.write(ACME, "r1", "what the record says")
    late = _received({**FOREIGN, "table": "claims", "id": "r1"})
    now = stage.local.clock.now()
    await stage.local.database.batch(late_arrival_statements(late, now))

    assert (await stage.state(ACME, "r1"))["posted_text"] is None


def test_messages_of_ours_bring_nothing() -> None:
    """Their jobs are there."""
    now = Stage().local.clock.now()
    ours = _received({"type": "backfill", "backfillId": "b", "scope": "claims", "step": 1})

    assert arrival_statements(ours, now) == []
    assert late_arrival_statements(ours, now) == []
