"""A text that was posted for a record is embedded until the record is next written, and no later.

Repairs, the sweeper, replays, backfills and changes of metadata look at the record again meanwhile;
none of them may lose the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from cognate.backfill.backfills import start_backfill
from cognate.backfill.needs import Selection
from cognate.embedding.request import EmbeddingRequest
from cognate.jobs.messages import Delivery
from cognate.jobs.replay import replay_job
from tests.stage.platform import ACME, CLAIMS, Stage
from tests.unit.embedding.test_finish import worker_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OWN: Final = "what the record says"
POSTED: Final = "what was posted for it"


async def _embeds(stage: Stage, text: str) -> bool:
    """Return whether the claim `c` has the vector of this text in D1 and in the index."""
    vector = await stage.embedded(CLAIMS.model, [text])
    [row] = await stage.rows("SELECT hex(embedding) AS vectors FROM claims WHERE id = 'c'")
    indexed = await stage.values(CLAIMS.model.index_binding, stage.vector_ids(ACME, "c"))
    assert await stage.discrepancies() == []
    return bytes.fromhex(row["vectors"]) == vector and list(indexed.values()) == [vector]


async def _change_metadata(stage: Stage) -> None:
    """Change the metadata, as the records API does if no embedded field has changed."""
    await stage.rows("UPDATE claims SET story_id = 'another' WHERE id = 'c'")
    request = EmbeddingRequest("c", embeds=False, keeps_posted=True)
    await stage.request(CLAIMS, [request], source="update")


async def _backfill(stage: Stage, selection: Selection) -> None:
    await start_backfill(stage.platform, ACME, CLAIMS, selection, None)
    await stage.settle()


LOOKS: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "metadata": _change_metadata,
    "all": lambda stage: _backfill(stage, Selection.ALL),
    "stale": lambda stage: _backfill(stage, Selection.STALE),
    "missing": lambda stage: _backfill(stage, Selection.MISSING),
}


@pytest.mark.parametrize("own", [OWN, " "], ids=["text", "blank"])
@pytest.mark.parametrize("look", LOOKS)
async def test_it_outlives_whoever_looks_at_the_record_again(look: str, own: str) -> None:
    """A posted text stays if the record is embedded again for another reason."""
    stage = Stage()
    await stage.write(ACME, "c", own)
    await stage.settle()
    await stage.post(ACME, POSTED, "c")
    await stage.settle()
    assert await _embeds(stage, POSTED)

    await LOOKS[look](stage)
    await stage.settle()

    assert await _embeds(stage, POSTED)


async def test_it_outlives_the_repair_of_an_older_result() -> None:
    """A repair after an older result writes the vector of the posted text."""
    stage = Stage()
    await stage.write(ACME, "c", OWN)
    slow, _ = worker_of(stage)
    for _ in range(2):
        await slow.step()
    await stage.post(ACME, POSTED, "c")
    await stage.drain()
    await slow.finish()
    assert await stage.rows("SELECT id FROM cognate_jobs WHERE source = 'repair'") != []

    await stage.settle()

    assert await _embeds(stage, POSTED)


async def test_it_outlives_its_job() -> None:
    """A posted text is embedded by a waiting job if its own job died."""
    stage = Stage()
    await stage.write(ACME, "c", OWN)
    await stage.settle()
    await stage.post(ACME, POSTED, "c")
    dead, _ = worker_of(stage)
    await dead.step()
    await dead.kill()
    await _change_metadata(stage)
    stage.local.queue.drop()
    stage.local.clock.advance(1000)
    await stage.sweep()

    await stage.settle()

    assert "superseded" in await stage.jobs()
    assert await _embeds(stage, POSTED)


async def test_it_is_replayed_after_other_jobs() -> None:
    """A failed posted text can be replayed after a job that only followed metadata."""
    stage = Stage()
    await stage.write(ACME, "c", OWN)
    await stage.settle()
    stage.fault("run", message="5004: bad input", count=9)
    failed = await stage.post(ACME, POSTED, "c")
    await stage.drain()
    stage.local.bindings.faults.clear()
    await _change_metadata(stage)
    await stage.drain()
    assert await stage.status(failed) == "failed"

    await replay_job(stage.platform, ACME, failed)
    await stage.settle()

    assert await _embeds(stage, POSTED)


async def test_a_message_of_another_worker_posts_too() -> None:
    """A text of another Worker stays like a posted one."""
    stage = Stage()
    await stage.write(ACME, "c", OWN)
    await stage.settle()
    body = {
        "type": "embedding",
        "organizationId": ACME,
        "table": "claims",
        "id": "c",
        "content": POSTED,
    }
    await stage.consume([Delivery("m", body, 1)])
    await _change_metadata(stage)
    await stage.settle()

    assert await _embeds(stage, POSTED)


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("again", [False, True])
async def test_it_ends_when_the_record_is_written(*, settled: bool, again: bool) -> None:
    """A posted text ends when the record's text is written or the record is made again."""
    stage = Stage()
    await stage.write(ACME, "c", OWN)
    await stage.settle()
    await stage.post(ACME, POSTED, "c")
    if settled:
        await stage.settle()
    if again:
        await stage.delete(ACME, "c")
    await stage.write(ACME, "c", "newer words")
    await _backfill(stage, Selection.ALL)

    assert await _embeds(stage, "newer words")
