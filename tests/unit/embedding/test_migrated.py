"""A table without its migration holds up no job of another table."""

from __future__ import annotations

import pytest

from cognate.embedding.counting import CountingDatabase
from tests.stage.platform import ACME, ARTICLES, Stage

WAITS = {"type": "embedding", "organizationId": ACME, "table": "articles", "id": "a1"}


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("ALTER TABLE articles RENAME TO gone", "ALTER TABLE gone RENAME TO articles"),
        ("ALTER TABLE articles RENAME COLUMN year TO gone", ""),
        ("ALTER TABLE articles RENAME COLUMN embedding TO gone", ""),
    ],
)
async def test_the_jobs_of_the_other_tables_are_done(broken: str, mended: str) -> None:
    """Its own come back, and are done when the migration was applied."""
    mended = mended or f"{broken.partition(' RENAME')[0]} RENAME COLUMN gone TO {broken.split()[5]}"
    stage = Stage()
    waiting = await stage.put(ARTICLES, ACME, "a1", title="a title", body="a text")
    await stage.rows(broken)
    await stage.local.queue.send([{**WAITS, "content": "a posted text"}, {"type": "odd"}])
    jobs = [await stage.write(ACME, "c1", "a text"), await stage.post(ACME, "a text")]
    await stage.drain()

    assert [await stage.status(job) for job in jobs] == ["done", "done"]
    assert await stage.status(waiting) == "queued"
    assert (await stage.jobs()).count("failed") == 1
    assert len(stage.local.queue.waiting) == 2

    await stage.rows(mended)
    await stage.settle()

    assert await stage.status(waiting) in {"done", "superseded"}
    state = await stage.state(ACME, "a1", "articles")
    assert (state["embedded_at"] is None, state["posted_text"]) == (False, "a posted text")


async def test_without_the_tables_of_cognate_every_message_comes_back() -> None:
    """Nothing is acknowledged."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.rows("ALTER TABLE cognate_jobs RENAME TO gone")
    [pause] = (await stage.deliver()).values()
    assert pause is not None


@pytest.mark.parametrize(("change", "calls"), [("SELECT 1", 2), ("DROP TABLE articles", 4)])
async def test_a_complete_database_costs_no_call_more(change: str, calls: int) -> None:
    """The tables are looked at only when one was missed."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.rows(change)
    database = CountingDatabase(stage.local.database)
    stage.with_database(database)
    await stage.drain()
    assert database.calls == calls
