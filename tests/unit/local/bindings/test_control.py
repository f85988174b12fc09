"""Tests of `local.bindings.control`, over HTTP."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from local.adapters.manual_clock import ManualClock
from local.ai.embedding_spaces import StandInEncoder
from local.ai.local_workers_ai import LocalWorkersAI
from local.ai.sentence_model import SentenceModel
from local.bindings.calls import Bindings
from local.bindings.server import create_app
from local.vectorize.local_vectorize import LocalVectorize


@pytest.fixture(scope="module")
def ai() -> LocalWorkersAI:
    """The binding over the sentence model."""
    return LocalWorkersAI(StandInEncoder(SentenceModel.load()))


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the index."""
    return ManualClock()


@pytest.fixture
def client(ai: LocalWorkersAI, clock: ManualClock) -> TestClient:
    """An HTTP client of the server with `AI` and an index of two dimensions."""
    index = LocalVectorize.in_memory(2, now=clock.timestamp)
    return TestClient(create_app(Bindings(ai, [index])), base_url="http://127.0.0.1")


def rpc(client: TestClient, method: str, *arguments: object) -> dict[str, Any]:
    """Call `VECTORIZE` and return the whole answer."""
    answer: dict[str, Any] = client.post(
        f"/rpc/VECTORIZE/{method}", json={"arguments": arguments}
    ).json()
    return answer


def upsert(client: TestClient) -> None:
    """Write one vector."""
    vector = {"id": "a", "values": [3, 4], "namespace": "n", "metadata": {"k": 1}}
    assert "result" in rpc(client, "upsert", [vector])


def test_a_fault_makes_a_call_fail_and_can_be_taken_back(client: TestClient) -> None:
    """The call fails with the name and message of the fault."""
    fault = {"binding": "VECTORIZE", "method": "describe", "count": 3, "message": "down"}
    assert client.post("/control/faults", json=fault).json() == {"waiting": 3}
    assert rpc(client, "describe") == {"error": {"name": "Error", "message": "down"}}
    assert client.delete("/control/faults").json() == {"waiting": 0}
    assert rpc(client, "describe")["result"]["vectorCount"] == 0


@pytest.mark.parametrize(
    ("binding", "method", "number", "error"),
    [
        (
            "VECTORIZE",
            "upsert",
            40041,
            {"name": "Error", "message": "VECTOR_UPSERT_ERROR (code = 40041): Too Many Requests"},
        ),
        (
            "VECTORIZE",
            "deleteByIds",
            40041,
            {"name": "Error", "message": "VECTOR_DELETE_ERROR (code = 40041): Too Many Requests"},
        ),
        ("AI", "run", 3007, {"name": "AiError", "message": "3007: Request timeout"}),
    ],
)
def test_an_error_of_cloudflare_is_ordered_by_its_number(
    client: TestClient, binding: str, method: str, number: int, error: dict[str, str]
) -> None:
    """The call rejects with Cloudflare's words for that method."""
    fault = {"binding": binding, "method": method, "number": number}
    assert client.post("/control/faults", json=fault).json() == {"waiting": 1}
    arguments = {"arguments": ["a", {"text": "a"}] if method == "run" else [["a"]]}
    answer = client.post(f"/rpc/{binding}/{method}", json=arguments).json()
    assert answer == {"error": error}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"binding": "AI"}, "method"),
        ({"binding": "AI", "method": "run", "kind": "odd"}, "kind"),
        ({"binding": "AI", "method": "run", "count": 0}, "count"),
        ({"binding": "AI", "method": "run", "mesage": "x"}, "mesage"),
        ({"binding": "AI", "method": "run", "number": 40041}, "AI.run has no error 40041"),
        ({"binding": "VECTORIZE", "method": "upsert", "number": 3040}, "no error 3040"),
        ({"binding": "VECTORIZE", "method": "search", "number": 40041}, "no error 40041"),
        ({"binding": "VECTORIZE", "method": "query", "kind": "short"}, "AI.run only"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    client: TestClient, body: dict[str, Any], reason: str
) -> None:
    """A misspelt key would otherwise make a test pass that should fail."""
    response = client.post("/control/faults", json=body)
    assert response.status_code == 422
    assert reason in response.json()["error"]


def test_calls_are_told_and_forgotten(client: TestClient) -> None:
    """They are counted by binding and method."""
    upsert(client)
    client.post(
        "/rpc/AI/run",
        json={"arguments": ["@cf/baai/bge-small-en-v1.5", {"text": ["x", "y"]}]},
    )
    counts = {"calls": {"VECTORIZE.upsert": 1, "AI.run": 1}, "texts": 2, "vectors": 1}
    assert client.get("/control/calls").json() == counts
    assert client.delete("/control/calls").json()["calls"] == {}


def test_later_writes_are_seen_after_the_delay(client: TestClient, clock: ManualClock) -> None:
    """Pending writes are counted next to the visible vectors."""
    assert client.put("/control/visibility", json={"seconds": 5}).json() == {"seconds": 5.0}
    upsert(client)
    assert client.get("/control/vectors/VECTORIZE").json() == {"vectors": [], "pending": 1}
    clock.advance(5)
    assert client.get("/control/vectors/VECTORIZE").json() == {
        "vectors": [{"id": "a", "namespace": "n", "metadata": {"k": 1}}],
        "pending": 0,
    }


def test_settling_shows_every_write(client: TestClient) -> None:
    """So the delay of one test does not affect the next."""
    client.put("/control/visibility", json={"seconds": 5})
    upsert(client)
    assert client.post("/control/settle").json() == {"settled": True}
    assert client.get("/control/vectors/VECTORIZE").json()["pending"] == 0


def test_noise_makes_scores_approximate(client: TestClient) -> None:
    """Scores are exact again when the noise is 0."""
    upsert(client)
    client.put("/control/noise", json={"amount": 0.005})
    off = rpc(client, "query", [1, 0])["result"]["matches"][0]["score"]
    client.put("/control/noise", json={"amount": 0})
    exact = rpc(client, "query", [1, 0])["result"]["matches"][0]["score"]
    assert exact == pytest.approx(0.6, abs=1e-6)
    assert 0 < abs(off - exact) <= 0.005


def test_a_reset_drops_all_vectors(client: TestClient) -> None:
    """Visible and pending vectors are dropped."""
    upsert(client)
    client.put("/control/visibility", json={"seconds": 5})
    upsert(client)
    assert client.post("/control/reset").json() == {"reset": True}
    assert client.get("/control/vectors/VECTORIZE").json() == {"vectors": [], "pending": 0}


def test_an_unknown_binding_has_no_vectors_to_show(client: TestClient) -> None:
    """The answer names the bindings that exist."""
    response = client.get("/control/vectors/AI")
    assert (response.status_code, response.json()["error"]) == (
        422,
        "no such binding; there are VECTORIZE",
    )
