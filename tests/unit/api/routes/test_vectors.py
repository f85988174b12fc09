"""The route of the raw vector query."""

from __future__ import annotations

import pytest

from cognate.errors import VectorIndexUnavailable
from cognate.models import DEFAULT_MODEL
from tests.stage.http import BOB
from tests.stage.http import ApiStage as Stage

QUERY = "/api/v1/vectors/query"


@pytest.fixture
def filled(stage: Stage) -> Stage:
    """Two claims of Acme, one claim of Globex, and a posted text of each organization."""
    stage.add_embedded_claim("org_acme", "c1", 0.9, "s1")
    stage.add_embedded_claim("org_acme", "c2", 0.1)
    stage.add_embedded_claim("org_globex", "c1", 0.5, "globex")
    stage.add_embedded_text("org_acme", "job_a", DEFAULT_MODEL)
    stage.add_embedded_text("org_globex", "job_g", DEFAULT_MODEL)
    return stage


async def test_a_text_finds_the_nearest_records_of_a_table(filled: Stage) -> None:
    """The answer has exactly the keys of the contract, and no threshold applies."""
    answer = await filled.ask("POST", QUERY, {"table": "claims", "query": "anything"})

    first, second = answer.json["matches"]
    assert answer.status == 200
    assert set(answer.json) == {"count", "matches"}
    assert answer.json["count"] == 2
    assert first.pop("score") == pytest.approx(0.9, abs=1e-6)
    assert first == {"id": "c1", "metadata": {"storyId": "s1"}}
    assert second["id"] == "c2"


async def test_a_vector_finds_the_same_without_the_model(filled: Stage) -> None:
    """A query by vector does not call the model."""
    vector = [1, *[0.0] * 767]

    answer = await filled.ask("POST", QUERY, {"table": "claims", "vector": vector, "topK": 1})

    assert [match["id"] for match in answer.json["matches"]] == ["c1"]
    assert filled.embedder.texts == []


async def test_without_a_table_posted_texts_are_found(filled: Stage) -> None:
    """Each organization finds its own texts, by the ids of their jobs."""
    acme = (await filled.ask("POST", QUERY, {"query": "anything"})).json
    globex = (await filled.ask("POST", QUERY, {"query": "anything"}, BOB)).json

    assert [match["id"] for match in acme["matches"]] == ["job_a"]
    assert [match["id"] for match in globex["matches"]] == ["job_g"]


async def test_metadata_can_be_left_out(filled: Stage) -> None:
    """With `returnMetadata` none the metadata is empty."""
    body = {"table": "claims", "query": "anything", "topK": 1}

    async def metadata(option: str) -> dict[str, object]:
        answer = await filled.ask("POST", QUERY, {**body, "returnMetadata": option})
        found: dict[str, object] = answer.json["matches"][0]["metadata"]
        return found

    assert await metadata("none") == {}
    assert await metadata("indexed") == await metadata("all") == {"storyId": "s1"}


async def test_a_filter_narrows(filled: Stage) -> None:
    """A filter uses the metadata that the table declares."""
    body = {"table": "claims", "query": "anything", "filter": {"storyId": {"$ne": "s1"}}}

    assert (await filled.ask("POST", QUERY, body)).json == {"count": 0, "matches": []}


async def test_an_outage_of_the_index_is_told(filled: Stage) -> None:
    """The answer says that it is degraded."""
    filled.index.error = VectorIndexUnavailable("VECTOR_QUERY_ERROR")

    assert (await filled.ask("POST", QUERY, {"query": "anything"})).json == {
        "count": 0,
        "matches": [],
        "degraded": True,
        "reason": "VECTORIZE_UNAVAILABLE",
    }


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/query"]),
        ({"query": "x", "vector": [1.0]}, ["/query"]),
        ({"query": " "}, ["/query"]),
        ({"vector": []}, ["/vector"]),
        ({"vector": [1.0] * 1537}, ["/vector"]),
        ({"vector": [1.0] * 767}, ["/vector"]),
        ({"vector": [0.0] * 768}, ["/vector"]),
        ({"vector": ["1"]}, ["/vector/0"]),
        ({"vector": [True]}, ["/vector/0"]),
        ({"query": "x", "topK": 0}, ["/topK"]),
        ({"query": "x", "topK": 51}, ["/topK"]),
        ({"query": "x", "top_k": 5}, ["/top_k"]),
        ({"query": "x", "returnMetadata": "some"}, ["/returnMetadata"]),
        ({"query": "x", "returnValues": True}, ["/returnValues"]),
        ({"query": "x", "namespace": "other"}, ["/namespace"]),
        ({"query": "x", "filter": {"organizationId": {"$ne": ""}}}, ["/filter/organizationId"]),
        ({"query": "x", "table": "claims", "filter": {"table": "notes"}}, ["/filter/table"]),
        ({"query": "x", "model": "@cf/nobody/nothing"}, ["/model"]),
    ],
)
async def test_a_query_that_breaks_a_rule_is_refused(
    stage: Stage, body: dict[str, object], pointers: list[str]
) -> None:
    """An invalid query names its fields."""
    answer = await stage.ask("POST", QUERY, body)

    assert (answer.status, answer.pointers) == (400, pointers)


@pytest.mark.parametrize("table", ["nothing", "notes", "session", "_texts:" + DEFAULT_MODEL])
async def test_only_tables_with_embeddings_can_be_asked(stage: Stage, table: str) -> None:
    """Any other table is not found."""
    answer = await stage.ask("POST", QUERY, {"table": table, "query": "x"})

    assert (answer.status, answer.code) == (404, "TABLE_NOT_FOUND")
