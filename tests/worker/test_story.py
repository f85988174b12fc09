"""The whole of Cognate in one story, told over HTTP to the Worker in its real runtime.

Two newsrooms work with the same claim checker. They use the same record ids, as tenants do, and
each has a word that only its own texts contain: Acme's is Quokka, Borealis' is Narwhal. Read it
from top to bottom; each chapter builds on what the first ones wrote.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.worker.organization import STORY_ORGANIZATIONS, Organization

if TYPE_CHECKING:
    import httpx

ROBBERY: Final = "Police arrested three suspects in the Quokka Bank robbery on Monday"
ACCIDENT: Final = "Two people were injured when a tram hit a delivery van near the harbour"
LIBRARY: Final = "The city council voted to build a new library on Elm Street"

ACME_CLAIMS: Final = {"claim-1": ROBBERY, "claim-2": ACCIDENT, "claim-3": LIBRARY}
BOREALIS_CLAIMS: Final = {
    "claim-1": "The Narwhal expedition found a sunken ship off the northern coast",
    "claim-2": "Divers of the Narwhal expedition brought up a bronze bell",
    "claim-3": "The museum will show the finds of the Narwhal expedition next year",
}
SERVICE: Final = "claimSimilarity"


@pytest.fixture(scope="module")
def acme(http: httpx.Client) -> Organization:
    """The first newsroom, which has written its claims."""
    return _newsroom(Organization(http, STORY_ORGANIZATIONS[0]), ACME_CLAIMS)


@pytest.fixture(scope="module")
def borealis(http: httpx.Client) -> Organization:
    """The second newsroom, with the same ids for claims of its own."""
    return _newsroom(Organization(http, STORY_ORGANIZATIONS[1]), BOREALIS_CLAIMS)


def _newsroom(organization: Organization, claims: dict[str, str]) -> Organization:
    for number, (record_id, content) in enumerate(claims.items(), start=1):
        organization.write("claims", id=record_id, content=content, storyId=f"story-{number}")
    return organization


def test_a_posted_text_becomes_a_job_that_is_done(acme: Organization) -> None:
    """The answer to a text is 202 with a job, which the queue brings to its end."""
    answer = acme.post("/embeddings", {"content": "A text of no table"})

    assert answer.status_code == 202
    body = answer.json()
    assert body == {
        "queued": True,
        "jobId": body["jobId"],
        "table": None,
        "id": None,
        "model": "@cf/baai/bge-base-en-v1.5",
    }
    job = acme.job(body["jobId"])
    assert ("done", None, None) == (job["status"], job["table"], job["error"])


def test_a_record_can_be_embedded_by_hand(acme: Organization) -> None:
    """A text posted for a record is stored in the record's row."""
    answer = acme.post("/embeddings", {"content": LIBRARY, "table": "claims", "id": "claim-3"})

    assert (202, "claims", "claim-3") == (
        answer.status_code,
        answer.json()["table"],
        answer.json()["id"],
    )
    assert acme.job(answer.json()["jobId"])["status"] == "done"
    assert acme.search(SERVICE, LIBRARY)["results"][0]["id"] == "claim-3"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        # Word for word.
        (ROBBERY, "DUPLICATE"),
        # The same in another order.
        ("On Monday, police arrested three suspects in the Quokka Bank robbery", "DUPLICATE"),
        # Somebody else says the same.
        ("Officers took three people into custody after the Quokka Bank was robbed", "CONFIRMS"),
        # The same story, another statement.
        ("The robbery at Quokka Bank is still being investigated by the police", "RELATED"),
        # Another story.
        ("The price of olive oil doubled within a year", "NEW"),
    ],
)
def test_every_verdict_appears_for_real_sentences(
    acme: Organization, text: str, verdict: str
) -> None:
    """What is said again is a duplicate, what is said otherwise confirms, and so on down to new."""
    found = acme.search(SERVICE, text)

    assert found["verdict"] == verdict
    assert found["degraded"] is False
    if verdict == "NEW":
        assert found["results"] == []
    else:
        best = found["results"][0]
        assert ("claim-1", verdict, {"storyId": "story-1"}) == (
            best["id"],
            best["classification"],
            best["metadata"],
        )


def test_results_come_best_first_above_the_threshold(acme: Organization) -> None:
    """Scores fall, none is below the threshold, and there are no more than the limit."""
    everything = acme.search(SERVICE, ROBBERY, threshold=0, limit=10)["results"]
    scores = [result["score"] for result in everything]

    assert scores == sorted(scores, reverse=True)
    assert {"claim-1", "claim-2", "claim-3"} == {result["id"] for result in everything}
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert everything[:1] == acme.search(SERVICE, ROBBERY, threshold=0, limit=1)["results"]
    above = acme.search(SERVICE, ROBBERY, threshold=scores[1])["results"]
    assert everything[:2] == above


def test_the_gray_zone_splits(acme: Organization) -> None:
    """What is certain and what a person should look at come apart."""
    certain = acme.post(f"/similarity/{SERVICE}/gray-zone", {"query": ROBBERY}).json()
    unsure = acme.post(
        f"/similarity/{SERVICE}/gray-zone",
        {"query": "A bank was robbed on Monday and police are looking for witnesses"},
    ).json()

    assert (["claim-1"], []) == (_ids(certain["high_confidence"]), _ids(certain["gray_zone"]))
    assert ([], ["claim-1"]) == (_ids(unsure["high_confidence"]), _ids(unsure["gray_zone"]))
    moved = acme.post(
        f"/similarity/{SERVICE}/gray-zone",
        {
            "query": "A bank was robbed on Monday and police are looking for witnesses",
            "min": 0.4,
            "max": 0.65,
        },
    ).json()
    assert ["claim-1"] == _ids(moved["high_confidence"])
    assert {"claim-2", "claim-3"} == set(_ids(moved["gray_zone"]))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("story-1", ["claim-1"]),
        ("story-2", []),
        ({"$ne": "story-1"}, []),
        ({"$in": ["story-1", "story-2"]}, ["claim-1"]),
        ({"$nin": ["story-1"]}, []),
    ],
)
def test_filters_narrow(acme: Organization, condition: object, expected: list[str]) -> None:
    """A filter on declared metadata leaves only what it names."""
    found = acme.search(SERVICE, ROBBERY, filter={"storyId": condition})

    assert expected == _ids(found["results"])


def test_long_articles_are_found_by_topic_and_narrowed(acme: Organization) -> None:
    """Another table, another model and index: title and body joined, two metadata fields."""
    for year in (2024, 2025):
        acme.write(
            "articles",
            id=f"report-{year}",
            title=f"Quokka harbour report {year}",
            body="The harbour handled more containers than in any year before. " * 20,
            section="economy",
            year=year,
        )

    service = "articleSimilarity"
    query = "Record number of containers in the harbour"
    both = acme.search(service, query, threshold=0)
    recent = acme.search(service, query, threshold=0, filter={"year": {"$gte": 2025}})

    assert {"report-2024", "report-2025"} == set(_ids(both["results"]))
    assert ["report-2025"] == _ids(recent["results"])


def test_raw_vectors_can_be_asked_for_and_queried(acme: Organization) -> None:
    """`embed` answers the vector that `vectors/query` takes."""
    embedded = acme.post(f"/similarity/{SERVICE}/embed", {"query": ACCIDENT}).json()

    assert (768, 768, "@cf/baai/bge-base-en-v1.5") == (
        embedded["dimensions"],
        len(embedded["vector"]),
        embedded["model"],
    )
    found = acme.post(
        "/vectors/query", {"table": "claims", "vector": embedded["vector"], "topK": 1}
    ).json()
    assert 1 == found["count"]
    [match] = found["matches"]
    assert "claim-2" == match["id"]
    assert match["score"] == pytest.approx(1, abs=1e-6)


def test_a_text_without_a_table_is_found_under_its_job(
    acme: Organization, borealis: Organization
) -> None:
    """It is found by whoever posted it, under the id of its job, and by nobody else."""
    posted = acme.post("/embeddings", {"content": "A Quokka was seen in the botanical garden"})
    job_id = posted.json()["jobId"]
    acme.job(job_id)
    query = {"query": "Somebody saw a Quokka in the botanical garden", "topK": 50}

    assert job_id == acme.post("/vectors/query", query).json()["matches"][0]["id"]
    assert job_id not in [match["id"] for match in _matches(borealis, query)]


def test_the_service_list_says_what_there_is(acme: Organization) -> None:
    """A frontend can build its form from the list of services."""
    [claims, _articles] = acme.get("/similarity").json()["services"]

    assert claims == {
        "name": "claimSimilarity",
        "table": "claims",
        "model": "@cf/baai/bge-base-en-v1.5",
        "thresholds": {"duplicate": 0.90, "confirms": 0.85, "related": 0.75},
        "grayZone": {"min": 0.60, "max": 0.85},
        "filters": ["storyId"],
    }


@pytest.mark.parametrize(
    "query",
    ["Quokka Bank robbery", "The Narwhal expedition", "claim-1"],
)
def test_no_organization_ever_sees_the_other(
    acme: Organization, borealis: Organization, query: str
) -> None:
    """Every route that searches, asked for everything: each finds its own and only its own."""
    for organization, own, foreign in (
        (acme, ACME_CLAIMS, BOREALIS_CLAIMS),
        (borealis, BOREALIS_CLAIMS, ACME_CLAIMS),
    ):
        search = organization.search(SERVICE, query, threshold=-1, limit=50)
        zones = organization.post(
            f"/similarity/{SERVICE}/gray-zone", {"query": query, "min": -1, "max": 1}
        ).json()
        raw = _matches(organization, {"query": query, "table": "claims", "topK": 50})
        # The ids are equal by design, so each answer must be the organization's own: the record
        # behind an id says which text it was.
        for ids in (
            _ids(search["results"]),
            _ids(zones["high_confidence"]) + _ids(zones["gray_zone"]),
            [match["id"] for match in raw],
        ):
            assert sorted(own) == sorted(ids)
        for record_id, text in own.items():
            best = organization.search(SERVICE, text)["results"][0]
            assert (record_id, "DUPLICATE") == (best["id"], best["classification"])
        for text in foreign.values():
            assert "DUPLICATE" != organization.search(SERVICE, text)["verdict"]


def test_the_canary_of_one_is_in_no_answer_of_the_other(
    acme: Organization, borealis: Organization
) -> None:
    """Whatever Borealis reads, the word Quokka is not in it, though Acme's own pages have it."""
    paths = ["/claims", "/articles", "/embeddings/jobs", "/embeddings/tables", "/similarity"]

    assert "Quokka" in json.dumps([acme.get(path).json() for path in paths])
    assert "Narwhal" in json.dumps([borealis.get(path).json() for path in paths])
    assert "Quokka" not in json.dumps([borealis.get(path).json() for path in paths])
    assert "Narwhal" not in json.dumps([acme.get(path).json() for path in paths])


def test_a_record_of_another_organization_does_not_exist(
    acme: Organization, borealis: Organization
) -> None:
    """Embedding it is the same 404 as embedding one that never was."""
    acme.write("claims", id="only-acme", content="A claim that only Acme has")
    request = {"content": "mine now", "table": "claims"}

    foreign = borealis.post("/embeddings", {**request, "id": "only-acme"})
    missing = borealis.post("/embeddings", {**request, "id": "never-was"})

    assert (404, 404) == (foreign.status_code, missing.status_code)
    assert _without_request_id(foreign) == _without_request_id(missing)


def test_a_job_of_another_organization_does_not_exist(
    acme: Organization, borealis: Organization
) -> None:
    """Neither its status nor its being there can be read."""
    job_id = acme.post("/embeddings", {"content": "Quokka"}).json()["jobId"]

    foreign = borealis.get(f"/embeddings/jobs/{job_id}")
    missing = borealis.get(f"/embeddings/jobs/{job_id[:-1]}")

    assert 200 == acme.get(f"/embeddings/jobs/{job_id}").status_code
    assert (404, 404) == (foreign.status_code, missing.status_code)
    assert _without_request_id(foreign) | {"instance": ""} == (
        _without_request_id(missing) | {"instance": ""}
    )


def _ids(results: list[dict[str, Any]]) -> list[str]:
    return [result["id"] for result in results]


def _matches(organization: Organization, query: dict[str, Any]) -> list[dict[str, Any]]:
    matches: list[dict[str, Any]] = organization.post("/vectors/query", query).json()["matches"]
    return matches


def _without_request_id(answer: httpx.Response) -> dict[str, Any]:
    return {key: value for key, value in answer.json().items() if key != "requestId"}
