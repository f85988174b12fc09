"""What was written is found at once, though Vectorize shows it a minute later."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from cognate.ids import vector_id, vector_key

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

SERVICE: Final = "claimSimilarity"
MODEL: Final = "@cf/baai/bge-base-en-v1.5"
INDEX: Final = "VECTORIZE"

PATIENCE_SECONDS: Final = 30
"""For two sweeps, and the seconds that two clocks may differ between them."""

FERRY: Final = "The ferry to the island was cancelled because of the storm"
COOKBOOK: Final = "A new cookbook collects recipes from forty grandmothers"


@pytest.fixture
def slow_index(instrumented: Instruments) -> Instruments:
    """Vectorize shows a write after a minute, from now on."""
    instrumented.platform.put("/control/visibility", json={"seconds": 60})
    return instrumented


def _slow_from_now(instrumented: Instruments) -> None:
    instrumented.platform.put("/control/visibility", json={"seconds": 60})


def _is_shown(instrumented: Instruments, organization: Organization, record_id: str) -> bool:
    """Whether the index itself shows a claim; the searches below must not depend on it."""
    key = vector_key(organization.demo.id, "claims", record_id)
    return vector_id(key, 0) in instrumented.vectors(INDEX)


def _ids(found: dict[str, Any]) -> list[str]:
    return [result["id"] for result in found["results"]]


def test_two_equal_texts_find_each_other(slow_index: Instruments) -> None:
    """As soon as their jobs are done, both are duplicates, though the index shows neither."""
    organization = slow_index.organization("at-once-equal")
    organization.write("claims", id="first", content=FERRY)
    second = organization.search(SERVICE, FERRY)
    organization.write("claims", id="second", content=FERRY)

    assert ("DUPLICATE", ["first"]) == (second["verdict"], _ids(second))
    for record_id, other in (("first", "second"), ("second", "first")):
        found = organization.post(f"/similarity/{SERVICE}/search", {"id": record_id}).json()
        assert ("DUPLICATE", [other]) == (found["verdict"], _ids(found))
        assert not _is_shown(slow_index, organization, record_id)
    assert found["degraded"] is False


def test_texts_written_in_one_batch_find_each_other(slow_index: Instruments) -> None:
    """Two that arrive in the same second are not both new."""
    organization = slow_index.organization("at-once-batch")
    for record_id in ("first", "second"):
        answer = organization.post("/claims", {"id": record_id, "content": FERRY})
        assert answer.status_code == 201, answer.text
    for record_id in ("first", "second"):
        organization.settle("claims", record_id)

    assert {"first", "second"} == set(_ids(organization.search(SERVICE, FERRY)))


def test_a_record_is_found_before_its_job_has_run(instrumented: Instruments) -> None:
    """Its message was never sent: the search embeds it, and the consumer need not."""
    organization = instrumented.organization("at-once-pending")
    instrumented.fail_sends(organization.demo.id, count=1)
    assert organization.post("/claims", {"id": "waits", "content": FERRY}).status_code == 201

    first, second = (organization.search(SERVICE, FERRY) for _ in range(2))

    assert ("DUPLICATE", ["waits"], False) == (first["verdict"], _ids(first), first["degraded"])
    assert [1, 0] == [first["pending"], second["pending"]]
    assert ("DUPLICATE", ["waits"]) == (second["verdict"], _ids(second))
    assert "queued" == organization.get("/embeddings/jobs").json()["data"][0]["status"]
    assert not _is_shown(instrumented, organization, "waits")


def test_an_index_that_lags_ten_minutes_hides_nothing(instrumented: Instruments) -> None:
    """The sweeper sees how far it is, and what it does not show stays compared."""
    instrumented.platform.put("/control/visibility", json={"seconds": 600})
    organization = instrumented.organization("at-once-lagging")
    organization.write("claims", id="late", content=FERRY)
    for _ in range(3):
        instrumented.sweep()
        found = organization.search(SERVICE, "The storm kept the ferry from the island")
        assert ["late"] == _ids(found)
        assert (False, True) == (found["degraded"], found["verdict"] != "NEW")
    assert not _is_shown(instrumented, organization, "late")


def test_an_index_that_shows_everything_is_known_to(instrumented: Instruments) -> None:
    """After two sweeps a search has nothing left to compare from D1."""
    organization = instrumented.organization("at-once-shown")
    organization.write("claims", id="early", content=FERRY)

    def unshown() -> int:
        [row] = instrumented.sql(
            "SELECT COUNT(*) AS records FROM cognate_embeddings s WHERE s.organization_id = ?1 "
            "AND s.shown_after >= COALESCE((SELECT shown_before FROM cognate_indexes "
            "WHERE binding = ?2), '')",
            organization.demo.id,
            INDEX,
        )
        return int(row["records"])

    assert 1 == unshown()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while unshown():
        assert time.monotonic() < deadline, "no sweep saw that the index shows the record"
        instrumented.sweep()
    assert ["early"] == _ids(organization.search(SERVICE, FERRY))


def test_a_deleted_record_is_gone_at_once(instrumented: Instruments) -> None:
    """Even before its job has run, and while the index still shows its vector."""
    organization = instrumented.organization("at-once-deleted")
    organization.write("claims", id="gone", content=FERRY)
    assert ["gone"] == _ids(organization.search(SERVICE, FERRY))
    _slow_from_now(instrumented)

    assert organization.delete("/claims/gone").status_code == 200

    found = organization.search(SERVICE, FERRY)
    assert ("NEW", [], False) == (found["verdict"], found["results"], found["degraded"])
    assert _is_shown(instrumented, organization, "gone")


def test_an_updated_record_is_found_by_its_new_text(instrumented: Instruments) -> None:
    """And by its old one no longer, though that is what the index still has."""
    organization = instrumented.organization("at-once-updated")
    organization.write("claims", id="claim", content=FERRY)
    _slow_from_now(instrumented)

    answer = organization.patch("/claims/claim", {"content": COOKBOOK})
    assert answer.status_code == 200, answer.text
    organization.settle("claims", "claim")

    new, old = organization.search(SERVICE, COOKBOOK), organization.search(SERVICE, FERRY)
    assert ("DUPLICATE", ["claim"]) == (new["verdict"], _ids(new))
    assert ("NEW", []) == (old["verdict"], _ids(old))
    [entry] = instrumented.rpc(
        INDEX, "getByIds", [vector_id(vector_key(organization.demo.id, "claims", "claim"), 0)]
    )
    assert _cosine(entry["values"], _embedded(instrumented, FERRY)) == pytest.approx(1, abs=1e-6)


class TestWhenVectorizeFails:
    """The answer says so, and never NEW for lack of an index."""

    @pytest.fixture
    def organization(self, instrumented: Instruments) -> Organization:
        """With a claim that was embedded a moment ago."""
        organization = instrumented.organization("degraded")
        if organization.get("/claims/claim").status_code != 200:
            organization.write("claims", id="claim", content=FERRY)
        message = "VECTOR_QUERY_ERROR (code = 50000): internal error"
        instrumented.fault(INDEX, "query", message=message)
        return organization

    def test_what_is_not_near_has_no_verdict(self, organization: Organization) -> None:
        """Something nearer may be in the index that could not be asked."""
        found = organization.search(SERVICE, COOKBOOK)

        assert (None, True, "VECTORIZE_UNAVAILABLE") == (
            found["verdict"],
            found["degraded"],
            found["reason"],
        )

    def test_a_duplicate_is_decided_all_the_same(self, organization: Organization) -> None:
        """Nothing that was not seen could change it."""
        found = organization.search(SERVICE, FERRY)

        assert ("DUPLICATE", True, ["claim"]) == (
            found["verdict"],
            found["degraded"],
            _ids(found),
        )

    def test_the_next_search_is_whole(self, organization: Organization) -> None:
        """One failed call is over with its answer."""
        organization.search(SERVICE, COOKBOOK)
        found = organization.search(SERVICE, COOKBOOK)

        assert ("NEW", False) == (found["verdict"], found["degraded"])


@pytest.mark.parametrize(
    "message", ["3040: Capacity temporarily exceeded", "3007: Request timeout", "down"]
)
def test_a_failing_model_is_a_503(instrumented: Instruments, message: str) -> None:
    """With the seconds after which to try again."""
    organization = instrumented.organization("no-model")
    instrumented.fault("AI", "run", message=message)

    answer = organization.post(f"/similarity/{SERVICE}/search", {"query": FERRY})

    assert 503 == answer.status_code, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "application/problem+json" == answer.headers["content-type"]
    assert message not in answer.text


def test_scores_are_exact_despite_an_approximate_index(instrumented: Instruments) -> None:
    """Class and order are decided by the cosine of the stored vectors."""
    organization = instrumented.organization("noise")
    texts = {
        "same": FERRY,
        "near": "Because of the storm no ferry went to the island",
        "far": COOKBOOK,
    }
    for record_id, content in texts.items():
        organization.write("claims", id=record_id, content=content)
    query = _embedded(instrumented, FERRY)
    instrumented.platform.put("/control/noise", json={"amount": 0.5})

    answers = [organization.search(SERVICE, FERRY, threshold=-1) for _ in range(3)]

    expected = {
        record_id: _cosine(query, _embedded(instrumented, text))
        for record_id, text in texts.items()
    }
    for found in answers:
        assert ["same", "near", "far"] == _ids(found)
        for result in found["results"]:
            assert expected[result["id"]] == pytest.approx(result["score"], abs=1e-6)
        assert "DUPLICATE" == found["verdict"]


def _embedded(instrumented: Instruments, text: str) -> list[float]:
    answer = instrumented.rpc("AI", "run", MODEL, {"text": text, "pooling": "cls"})
    vector: list[float] = answer["data"][0]
    return vector


def _cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True)) / (
        math.hypot(*first) * math.hypot(*second)
    )
