"""The stored vector of a record: of its first chunk, by the model of now."""

from __future__ import annotations

import pytest

from cognate.errors import NotEmbedded, NotFound
from cognate.search.cosine import QueryVector
from cognate.search.pending import vector_or_text_of
from cognate.search.similarity import Classification, search
from tests.stage.platform import ACME, BASE, CLAIMS, GLOBEX, Stage, claim_similarity, long_text


async def test_it_is_the_vector_of_the_first_chunk() -> None:
    """A long record is compared by its beginning."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    await stage.drain()
    found = await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")
    assert not isinstance(found, str)
    first = await stage.embedded(BASE, [long_text(3)])
    assert list(found.lengths()) == [BASE.dimensions]
    assert QueryVector(found.float32()).cosine(first[: BASE.dimensions * 4]) > 0.5


@pytest.mark.parametrize("record_id", ["unknown", "of-globex"])
async def test_a_record_that_is_not_there_is_not_found(record_id: str) -> None:
    """One of another organization is answered like one that never was."""
    stage = Stage()
    await stage.write(GLOBEX, "of-globex", "a red harbour")
    await stage.drain()
    with pytest.raises(NotFound, match="no such record"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, record_id)


@pytest.mark.parametrize("fingerprint", [None, "older"])
async def test_a_record_without_a_vector_of_now_is_told(fingerprint: str | None) -> None:
    """It waits for its job, or its vectors are of another model."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    if fingerprint is not None:
        await stage.drain()
        await stage.rows("UPDATE cognate_embeddings SET fingerprint = ?1", fingerprint)
    with pytest.raises(NotEmbedded, match="no vector yet"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")


async def test_a_record_whose_text_has_changed_is_compared_by_its_new_one() -> None:
    """Its stored vectors are of a text that is gone; another record's job tells nothing of it."""
    stage = Stage()
    await stage.write_many(ACME, {"r1": "something entirely different", "r2": "a red harbour"})
    await stage.drain()
    await stage.show()
    await stage.write(ACME, "r3", "another one that waits")
    assert not isinstance(await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1"), str)
    await stage.write(ACME, "r1", "a red harbour")
    assert await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1") == "a red harbour"
    found = await search(stage.platform, ACME, claim_similarity, record_id="r1")
    assert (found.verdict, found.results[0].id) == (Classification.DUPLICATE, "r2")
    # The search has kept its vectors.
    assert not isinstance(await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1"), str)


async def test_a_record_whose_new_text_is_blank_has_no_vector() -> None:
    """Nothing is near to it."""
    stage = Stage()
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    await stage.write(ACME, "r1", " ")
    with pytest.raises(NotEmbedded, match="no vector yet"):
        await vector_or_text_of(stage.platform, CLAIMS, ACME, "r1")
