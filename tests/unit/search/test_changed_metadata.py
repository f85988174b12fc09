"""Changed metadata counts at once, although the index still has the old metadata."""

from __future__ import annotations

from typing import Any

from cognate.embedding.request import EmbeddingRequest
from cognate.ports import Statement
from cognate.search.similarity import Classification, SearchAnswer, search
from tests.stage.platform import ACME, CLAIMS, Stage, claim_similarity

TEXT = "one two three four five six seven eight"


async def ask(stage: Stage, **options: Any) -> SearchAnswer:
    """Search the claims for the text."""
    return await search(stage.platform, ACME, claim_similarity, text=TEXT, **options)


async def shown() -> Stage:
    """A claim that the index shows with the story s1."""
    stage = Stage()
    await stage.write(ACME, "r1", TEXT, "s1")
    await stage.drain()
    await stage.show()
    return stage


async def move(stage: Stage) -> None:
    """Change the metadata alone, as the records API does."""
    await stage.request(
        CLAIMS,
        [EmbeddingRequest("r1", embeds=False, keeps_posted=True, is_counted=True)],
        source="update",
        first=Statement("UPDATE claims SET story_id = 's2' WHERE id = 'r1'"),
    )


async def test_a_record_is_found_under_its_new_metadata_before_its_job_has_run() -> None:
    """The old metadata no longer finds it, and the model is not called."""
    stage = await shown()
    await move(stage)
    before = stage.calls("AI.run")
    found = await ask(stage, filter={"storyId": "s2"})
    assert (found.verdict, found.pending) == (Classification.DUPLICATE, 0)
    assert stage.calls("AI.run") - before == 1
    assert (await ask(stage, filter={"storyId": "s1"})).verdict is Classification.NEW
    await stage.sweep()
    await stage.drain()
    assert await stage.discrepancies() == []


async def test_a_record_that_sql_has_moved_is_found_under_its_new_metadata() -> None:
    """A change by SQL queues no job; the table's trigger marks the record."""
    stage = await shown()
    await stage.rows("UPDATE claims SET story_id = 's2' WHERE id = 'r1'")
    assert (await ask(stage, filter={"storyId": "s2"})).verdict is Classification.DUPLICATE
    assert (await ask(stage, filter={"storyId": "s1"})).verdict is Classification.NEW


async def test_a_text_that_is_written_again_with_other_metadata_is_found_under_it() -> None:
    """The job of an unchanged text embeds nothing."""
    stage = await shown()
    await stage.write(ACME, "r1", TEXT, "s2")
    assert (await ask(stage, filter={"storyId": "s2"})).verdict is Classification.DUPLICATE


async def test_a_record_whose_job_has_failed_is_found_under_its_new_metadata() -> None:
    """A record whose job has failed is found by its earlier vectors."""
    stage = await shown()
    await stage.write(ACME, "r1", "other words than those", "s2")
    stage.fault("run", message="5006: bad input")
    await stage.drain()
    assert await stage.jobs() == ["done", "failed"]
    assert (await ask(stage, filter={"storyId": "s2"})).verdict is Classification.DUPLICATE


async def test_what_is_queued_again_unchanged_is_not_compared_from_d1() -> None:
    """A backfill of unchanged records makes no search read more."""
    stage = await shown()
    before = (await stage.state(ACME, "r1"))["shown_after"]
    await stage.request(
        CLAIMS,
        [EmbeddingRequest("r1", keeps_posted=True)],
        source="backfill",
        announces=False,
    )
    assert (await stage.state(ACME, "r1"))["shown_after"] == before
