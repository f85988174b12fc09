"""Stored vectors: indexed again without a call of the model."""

from __future__ import annotations

from cognate.ports import Statement
from tests.stage.platform import ACME, GLOBEX, Stage, long_text


async def test_a_change_of_metadata_alone_makes_no_call_of_the_model() -> None:
    """All chunks of it are written again with what filters now ask for, of each organization."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", long_text(3), "one")
    await stage.drain()
    before = stage.calls("AI.run")
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", long_text(3), "two")
    await stage.drain()
    assert stage.calls("AI.run") == before
    assert [item["storyId"] for item in stage.indexed().values()] == ["two"] * 6
    assert await stage.discrepancies() == []


async def test_vectors_that_are_not_there_are_made_again() -> None:
    """A column that does not hold what its state row says is not trusted."""
    stage = Stage()
    for record_id in ("r1", "r2"):
        await stage.write(ACME, record_id, long_text(2), "one")
    await stage.drain()
    await stage.local.database.batch(
        [
            Statement("UPDATE claims SET embedding = NULL WHERE id = 'r1'"),
            Statement("UPDATE claims SET embedding = substr(embedding, 5) WHERE id = 'r2'"),
        ]
    )
    for record_id in ("r1", "r2"):
        await stage.write(ACME, record_id, long_text(2), "two")
    await stage.drain()
    assert await stage.discrepancies() == []


async def test_vectors_of_another_fingerprint_are_not_passed_off_as_new() -> None:
    """Following the metadata alone does not make old vectors comparable with new ones."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text", "one")
    await stage.drain()
    await stage.local.database.batch(
        [
            # As a deployment with another chunker or pooling left it.
            Statement("UPDATE cognate_embeddings SET content_hash = 'x', fingerprint = 'old'"),
        ]
    )
    await stage.write(ACME, "r1", "a text", "two")
    await stage.local.database.batch([Statement("UPDATE cognate_jobs SET embeds = 0")])
    await stage.drain()
    state = await stage.state(ACME, "r1")
    assert (state["content_hash"], state["fingerprint"]) == ("x", "old")
