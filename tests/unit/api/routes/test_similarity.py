"""The routes of the similarity services."""

from __future__ import annotations

import pytest

from cognate.errors import (
    EmbedderAccessDenied,
    EmbedderBusy,
    EmbedderError,
    EmbedderModelUnavailable,
    EmbedderRejected,
    EmbedderTimeout,
    VectorIndexUnavailable,
)
from cognate.models import DEFAULT_MODEL
from cognate.text_limits import MAX_TEXT_CHARACTERS
from tests.stage.http import BOB
from tests.stage.http import ApiStage as Stage

SEARCH = "/api/v1/similarity/claimSimilarity/search"
GRAY_ZONE = "/api/v1/similarity/claimSimilarity/gray-zone"
EMBED = "/api/v1/similarity/claimSimilarity/embed"


@pytest.fixture
def filled(stage: Stage) -> Stage:
    """Claims of Acme at several distances, and a claim of Globex with the id of the nearest one."""
    stage.add_embedded_claim("org_acme", "near", 0.95, "s1")
    stage.add_embedded_claim("org_acme", "middle", 0.875, "s2")
    stage.add_embedded_claim("org_acme", "far", 0.6)
    stage.add_embedded_claim("org_globex", "near", 0.80, "globex")
    return stage


async def test_services_are_listed(stage: Stage) -> None:
    """A service has its thresholds, and the JSON names of the fields that filters may use."""
    assert (await stage.ask("GET", "/api/v1/similarity")).json == {
        "services": [
            {
                "name": "claimSimilarity",
                "table": "claims",
                "model": DEFAULT_MODEL,
                "thresholds": {"duplicate": 0.90, "confirms": 0.85, "related": 0.75},
                "grayZone": {"min": 0.5, "max": 0.8},
                "filters": ["storyId"],
            }
        ]
    }


async def test_a_search_answers_verdict_and_results(filled: Stage) -> None:
    """Results are best first, with their class and metadata."""
    answer = await filled.ask("POST", SEARCH, {"query": "anything"})

    near, middle = answer.json.pop("results")
    assert answer.status == 200
    assert near.pop("score") == pytest.approx(0.95, abs=1e-6)
    assert near == {
        "id": "near",
        "classification": "DUPLICATE",
        "metadata": {"storyId": "s1"},
        "chunk": {"start": 0, "end": 4},
    }
    assert (middle["id"], middle["classification"]) == ("middle", "CONFIRMS")
    assert (await filled.ask("POST", SEARCH, {"query": "anything"})).json["verdict"] == "DUPLICATE"
    assert set(answer.json) == {"verdict", "results", "degraded", "reason", "pending"}
    state = (answer.json["degraded"], answer.json["reason"], answer.json["pending"])
    assert state == (False, None, 0)


async def test_each_organization_finds_its_own(filled: Stage) -> None:
    """Two organizations use the same id, and each finds its own record."""
    acme = (await filled.ask("POST", SEARCH, {"query": "anything", "threshold": -1})).json[
        "results"
    ]
    globex = (await filled.ask("POST", SEARCH, {"query": "anything", "threshold": -1}, BOB)).json[
        "results"
    ]

    assert [result["id"] for result in acme] == ["near", "middle", "far"]
    assert [result["metadata"] for result in globex] == [{"storyId": "globex"}]


async def test_limit_threshold_and_filter_narrow(filled: Stage) -> None:
    """Each of the three narrows the results."""

    async def found(**options: object) -> list[str]:
        answer = await filled.ask("POST", SEARCH, {"query": "anything", **options})
        return [result["id"] for result in answer.json["results"]]

    assert await found(threshold=-1) == ["near", "middle", "far"]
    assert await found(threshold=-1, limit=1) == ["near"]
    assert await found(threshold=0.9) == ["near"]
    assert await found(filter={"storyId": "s2"}) == ["middle"]
    assert await found(filter={"storyId": {"$in": ["s1", "s3"]}}) == ["near"]
    assert await found(limit=None, threshold=None, filter=None) == ["near", "middle"]


async def test_nothing_near_is_new(stage: Stage) -> None:
    """The verdict for an empty organization is NEW."""
    answer = await stage.ask("POST", SEARCH, {"query": "anything"})

    assert answer.json == {
        "verdict": "NEW",
        "results": [],
        "degraded": False,
        "reason": None,
        "pending": 0,
    }


async def test_an_index_in_an_outage_degrades_the_answer(stage: Stage) -> None:
    """The verdict is null, not NEW, when the index does not answer."""
    stage.index.error = VectorIndexUnavailable("VECTOR_QUERY_ERROR")

    answer = await stage.ask("POST", SEARCH, {"query": "anything"})

    assert answer.status == 200
    assert answer.json == {
        "verdict": None,
        "results": [],
        "degraded": True,
        "reason": "VECTORIZE_UNAVAILABLE",
        "pending": 0,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/similarity/claimSimilarity/search", {"query": "a text"}),
        ("/api/v1/similarity/claimSimilarity/gray-zone", {"query": "a text"}),
        ("/api/v1/similarity/claimSimilarity/embed", {"query": "a text"}),
        ("/api/v1/vectors/query", {"query": "a text"}),
        ("/api/v1/vectors/query", {"query": "a text", "table": "claims"}),
        ("/api/v1/embeddings/run", {"text": "a text"}),
    ],
)
async def test_a_text_that_the_model_refuses_is_its_callers_to_change(
    stage: Stage, path: str, body: dict[str, str]
) -> None:
    """The status is 422, without the words of the model."""
    stage.embedder.error = EmbedderRejected("5006: the secret detail")

    answer = await stage.ask("POST", path, body)

    assert (422, "AI_INPUT_REJECTED") == (answer.status, answer.code)
    assert ("validation", None) == (answer.json["layer"], answer.headers.get("retry-after"))
    assert b"secret" not in answer.body


@pytest.mark.parametrize("error", [EmbedderModelUnavailable, EmbedderAccessDenied, EmbedderTimeout])
async def test_what_is_not_the_texts_fault_is_a_503(
    stage: Stage, error: type[EmbedderError]
) -> None:
    """A retired model, a refused account and an outage are answered by 503."""
    stage.embedder.error = error("5007: no such model")

    answer = await stage.ask(
        "POST", "/api/v1/similarity/claimSimilarity/search", {"query": "a text"}
    )

    assert 503 == answer.status


async def test_a_busy_model_is_a_503(stage: Stage) -> None:
    """A busy model is answered by 503 with Retry-After."""
    stage.embedder.error = EmbedderBusy("3040: Capacity temporarily exceeded")

    answer = await stage.ask("POST", SEARCH, {"query": "anything"})

    assert (answer.status, answer.code) == (503, "AI_CAPACITY")
    assert answer.headers["retry-after"] == "30"
    assert b"3040" not in answer.body


async def test_the_gray_zone_splits(filled: Stage) -> None:
    """The bounds are those of the request, or else of the service."""
    by_service = (await filled.ask("POST", GRAY_ZONE, {"query": "anything"})).json
    by_request = (
        await filled.ask("POST", GRAY_ZONE, {"query": "anything", "min": 0.7, "max": 0.9})
    ).json

    assert set(by_service) == {"high_confidence", "gray_zone"}
    assert [item["id"] for item in by_service["high_confidence"]] == ["near", "middle"]
    assert [item["id"] for item in by_service["gray_zone"]] == ["far"]
    assert set(by_service["gray_zone"][0]) == {
        "id",
        "score",
        "classification",
        "metadata",
        "chunk",
    }
    assert [item["id"] for item in by_request["high_confidence"]] == ["near"]
    assert [item["id"] for item in by_request["gray_zone"]] == ["middle"]


async def test_a_degraded_gray_zone_says_so(stage: Stage) -> None:
    """A degraded answer has a reason."""
    stage.index.error = VectorIndexUnavailable("VECTOR_QUERY_ERROR")

    assert (await stage.ask("POST", GRAY_ZONE, {"query": "anything"})).json == {
        "high_confidence": [],
        "gray_zone": [],
        "degraded": True,
        "reason": "VECTORIZE_UNAVAILABLE",
    }


async def test_a_text_is_embedded(stage: Stage) -> None:
    """The vector is made by the model of the service's table."""
    answer = (await stage.ask("POST", EMBED, {"query": "anything"})).json

    assert answer == {"vector": [1.0] + [0.0] * 767, "dimensions": 768, "model": DEFAULT_MODEL}
    assert stage.embedder.texts == ["anything"]


@pytest.mark.parametrize(
    ("options", "pointers"),
    [
        ({"query": None}, ["/query"]),
        ({"query": " "}, ["/query"]),
        ({"query": "x" * (MAX_TEXT_CHARACTERS + 1)}, ["/query"]),
        ({"limit": 0}, ["/limit"]),
        ({"id": "near"}, ["/id"]),
        ({"limit": 51}, ["/limit"]),
        ({"limit": "5"}, ["/limit"]),
        ({"threshold": 1.5}, ["/threshold"]),
        ({"threshold": 1e999}, ["/threshold"]),
        ({"filter": {"organizationId": "org_globex"}}, ["/filter/organizationId"]),
        ({"filter": {"organization_id": "org_globex"}}, ["/filter/organization_id"]),
        ({"filter": {"table": "claims"}}, ["/filter/table"]),
        ({"filter": {"content": "x"}}, ["/filter/content"]),
        ({"filter": {"storyId": 5}}, ["/filter/storyId"]),
        ({"filter": {"storyId": {"$regex": "x"}}}, ["/filter/storyId/$regex"]),
        ({"filter": "storyId"}, ["/filter"]),
        ({"organizationId": "org_globex"}, ["/organizationId"]),
        ({"table": "claims"}, ["/table"]),
    ],
)
async def test_a_search_that_breaks_a_rule_is_refused(
    stage: Stage, options: dict[str, object], pointers: list[str]
) -> None:
    """An invalid search names its fields, and nothing is embedded."""
    raw = None
    if options.get("threshold") == 1e999:
        raw, options = b'{"query": "x", "threshold": 1e999}', {}

    answer = await stage.ask("POST", SEARCH, {"query": "anything", **options}, raw=raw)

    assert (answer.status, answer.pointers) == (400, pointers)
    assert stage.embedder.texts == []


@pytest.mark.parametrize("limit", [1, 50])
@pytest.mark.parametrize("threshold", [-1, 0, 0.5, 1])
async def test_the_bounds_themselves_are_allowed(
    stage: Stage, limit: int, threshold: float
) -> None:
    """The smallest and the largest limit and threshold are accepted."""
    body = {"query": "x" * MAX_TEXT_CHARACTERS, "limit": limit, "threshold": threshold}

    assert (await stage.ask("POST", SEARCH, body)).status == 200


@pytest.mark.parametrize(
    ("bounds", "pointers"),
    [
        ({"min": 0.9, "max": 0.8}, ["/max"]),
        ({"min": 0.81}, ["/min"]),
        ({"max": 0.49}, ["/max"]),
        ({"min": -1.1}, ["/min"]),
        ({"max": 1.1}, ["/max"]),
        ({"min": "0.5"}, ["/min"]),
        ({"limit": 5}, ["/limit"]),
    ],
)
async def test_a_gray_zone_that_cannot_be_is_refused(
    stage: Stage, bounds: dict[str, object], pointers: list[str]
) -> None:
    """A bound of the request is checked against the other bound of the service."""
    answer = await stage.ask("POST", GRAY_ZONE, {"query": "anything", **bounds})

    assert (answer.status, answer.pointers) == (400, pointers)


@pytest.mark.parametrize("action", ["search", "gray-zone", "embed"])
@pytest.mark.parametrize("service", ["nothing", "claims", "claim_similarity", "%20", "..%2F"])
async def test_an_unknown_service_is_not_found(stage: Stage, service: str, action: str) -> None:
    """The error lists the services of the schema."""
    answer = await stage.ask("POST", f"/api/v1/similarity/{service}/{action}", {"query": "x"})

    assert (answer.status, answer.code) == (404, "SERVICE_NOT_FOUND")
    assert "claimSimilarity" in answer.json["detail"]
