"""The consumer runs jobs and records dead letters."""

from __future__ import annotations

from cognate.consumer import CountingDatabase, consume
from cognate.ports import Statement
from cognate.search import search
from tests.stage.faults import FailingDatabase
from tests.stage.platform import (
    ACME,
    DEAD_LETTERS,
    GLOBEX,
    Stage,
    claim_similarity,
)

CANARIES = {ACME: "The albatross is over the bay.", GLOBEX: "The barracuda is under the bay."}


async def test_two_organizations_with_the_same_ids_never_meet() -> None:
    """Two organizations with the same record ids find their own texts only."""
    stage = Stage()
    for number in range(5):
        for organization_id, text in CANARIES.items():
            await stage.write(organization_id, f"r{number}", f"{text} Take {number}.", "same")
    await stage.drain()
    assert await stage.discrepancies() == []
    for asker, own_text in CANARIES.items():
        for text in CANARIES.values():
            found = await search(
                stage.platform, asker, claim_similarity, text=text, threshold=-1, limit=50
            )
            texts = [await content(stage, asker, result.id) for result in found.results]
            assert len(texts) == 5
            assert all(item.startswith(own_text) for item in texts)
        own = await search(stage.platform, asker, claim_similarity, text=f"{own_text} Take 3.")
        assert (own.verdict, own.results[0].id) == ("DUPLICATE", "r3")


async def content(stage: Stage, organization_id: str, record_id: str) -> str:
    """Read the text of a record."""
    [row] = await stage.rows(
        "SELECT content FROM claims WHERE organization_id = ?1 AND id = ?2",
        organization_id,
        record_id,
    )
    return str(row["content"])


async def test_dead_letters_are_recorded_not_run() -> None:
    """Dead letters are acknowledged without a call of the model."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    stage.fault("run", message="3040: out of capacity")
    verdicts = await stage.deliver()
    assert [after is not None for after in verdicts.values()] == [True]
    stage.local.clock.advance(1000)
    dead = stage.local.queue.take()
    answer = await consume(stage.platform, stage.app, DEAD_LETTERS, dead)
    assert answer == {dead[0].message_id: None}
    # What the job waits for is not its fault: it is announced again later.
    assert (await stage.jobs(), stage.calls("AI.run")) == (["queued"], 1)


async def test_dead_letters_come_back_while_the_database_is_away() -> None:
    """Dead letters that D1 cannot record are delivered again."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    dead = stage.local.queue.take()
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({1})))
    answer = await consume(stage.platform, stage.app, DEAD_LETTERS, dead)
    assert answer == {dead[0].message_id: 5}


async def test_a_batch_of_statements_is_one_call() -> None:
    """A batch of statements counts as one call, and its answers are returned."""
    counted = CountingDatabase(Stage().local.database)
    answers = await counted.batch([Statement("SELECT 1 AS one"), Statement("SELECT 2 AS two")])

    assert answers == [[{"one": 1}], [{"two": 2}]]
    assert counted.calls == 1
