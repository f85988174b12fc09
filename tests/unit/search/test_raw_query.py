"""Raw queries over a table, or over texts that were posted without a table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cognate.errors import InvalidInput, NotFound
from cognate.search import embed, query_vectors
from tests.stage.platform import ACME, ARTICLES, GLOBEX, SCHEMA, Stage, claim_similarity


async def test_texts_are_found_under_their_jobs_id() -> None:
    """A text is found in its own organization only, and not among the records of a table."""
    stage = Stage()
    mine = await stage.post(ACME, "a red harbour")
    theirs = await stage.post(GLOBEX, "a red harbour")
    await stage.write(ACME, "r1", "a red harbour")
    await stage.drain()
    for organization_id, expected in ((ACME, mine), (GLOBEX, theirs)):
        found = await query_vectors(stage.platform, SCHEMA, organization_id, text="a red harbour")
        assert [match.id for match in found.matches] == [expected]


async def test_a_table_is_asked_by_vector_or_by_text() -> None:
    """A vector and its text find the same records."""
    stage = Stage()
    for number in range(9):
        await stage.write(ACME, f"r{number}", f"harbour number {number}")
    await stage.drain()
    vector = await embed(stage.platform, claim_similarity, "harbour number 3")
    by_vector = await query_vectors(
        stage.platform, SCHEMA, ACME, table="claims", vector=vector, top_k=3
    )
    by_text = await query_vectors(
        stage.platform, SCHEMA, ACME, table="claims", text="harbour number 3", top_k=3
    )
    assert by_vector == by_text
    assert (len(by_text.matches), by_text.matches[0].id) == (3, "r3")


@pytest.mark.parametrize(
    "question",
    [
        {"table": "claims", "vector": [0.5] * 767},
        {"table": "claims", "vector": [0.0] * 768},
        {"table": "claims", "vector": [math.nan] * 768},
        {"table": "claims", "vector": [1e39] * 768},
        {"table": "articles", "vector": [0.5] * 768},
        {"table": "claims", "text": "a", "model": ARTICLES.model.name},
        {"text": "a", "model": "gpt"},
        {"text": "a", "filter": {"storyId": "s"}},
        {"text": " "},
    ],
    ids=str,
)
async def test_a_question_that_cannot_be_answered_is_refused(question: dict[str, Any]) -> None:
    """An invalid query calls nothing of the platform."""
    stage = Stage()
    with pytest.raises(InvalidInput):
        await query_vectors(stage.platform, SCHEMA, ACME, **question)
    assert stage.local.bindings.counts.calls.total() == 0


async def test_an_unknown_table_is_not_found() -> None:
    """The internal name of the posted texts is not a table either."""
    for table in ("nothing", "_texts:@cf/baai/bge-base-en-v1.5"):
        with pytest.raises(NotFound):
            await query_vectors(Stage().platform, SCHEMA, ACME, table=table, text="a")
