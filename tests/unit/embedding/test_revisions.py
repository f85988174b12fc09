"""State rows: what the vectors of a record must follow."""

from __future__ import annotations

from cognate.embedding.request import EmbeddingRequest
from cognate.embedding.revisions import doubt_records
from tests.stage.platform import ACME, CLAIMS, GLOBEX, Stage


async def test_another_posted_text_counts_as_a_change() -> None:
    """The same text once more does not."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    await stage.drain()
    changes = []
    for text in ("posted", "posted", "another"):
        await stage.request(CLAIMS, [EmbeddingRequest("r1", posted_text=text)])
        changes.append((await stage.state(ACME, "r1"))["changes"])

    assert changes == [1, 1, 2]


async def test_a_doubted_record_is_written_to_the_index_again() -> None:
    """Another organization's record of that id is not doubted."""
    stage = Stage()
    for organization in (ACME, GLOBEX):
        await stage.write(organization, "r1", "a text")
    await stage.drain()
    record = {"organization_id": ACME, "scope": "claims", "record_id": "r1"}
    await stage.local.database.batch(doubt_records([record]))

    assert (await stage.state(ACME, "r1"))["index_hash"] is None
    assert (await stage.state(GLOBEX, "r1"))["index_hash"] is not None
    assert doubt_records([]) == []
