"""Tests of `local.bindings.binding_http`: the HTTP of the runtime's own bindings.

`tests/contract` has the bindings themselves speak it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from local.ai.local_workers_ai import LocalWorkersAI
from local.bindings.binding_http import AI_HOST, BINDING_HEADER, VECTORIZE_HOST
from local.bindings.calls import Bindings
from local.bindings.faults import Fault
from local.bindings.server import create_app
from local.vectorize.local_vectorize import LocalVectorize
from tests.stage.one_direction import OneDirection

BASE = "@cf/baai/bge-base-en-v1.5"


@pytest.fixture
def bindings() -> Bindings:
    """`AI` and one index of two dimensions."""
    return Bindings(LocalWorkersAI(OneDirection()), [LocalVectorize.in_memory(2)])


@pytest.fixture
def client(bindings: Bindings) -> TestClient:
    """An HTTP client of the server over them."""
    return TestClient(create_app(bindings), base_url="http://127.0.0.1")


def run(client: TestClient, model: str, inputs: Any, **options: Any) -> Any:
    """Send a request as the AI binding does."""
    return client.post(
        f"http://{AI_HOST}/run?version=3",
        json={"inputs": inputs, "options": options},
        headers={"cf-consn-model-id": model, BINDING_HEADER: "AI"},
    )


def call(client: TestClient, path: str, content: str) -> Any:
    """Send a request as a Vectorize binding does."""
    return client.post(
        f"http://{VECTORIZE_HOST}/{path}",
        content=content.encode(),
        headers={BINDING_HEADER: "VECTORIZE"},
    )


def lines(*vectors: dict[str, Any]) -> str:
    """Vectors as the binding writes them, one on each line."""
    return "\n".join(json.dumps(vector) for vector in vectors)


def test_the_model_is_in_a_header(client: TestClient) -> None:
    """The answer is what `run` resolves to, with the only content type that is parsed."""
    answer = run(client, BASE, {"text": ["a", "b"]}, rejectIfBusy=True)

    assert answer.json()["shape"] == [2, 768]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("3040: out of capacity", {"internalCode": 3040, "description": "out of capacity"}),
        ("5006: Error: one\ntwo", {"internalCode": 5006, "description": "Error: one\ntwo"}),
    ],
)
def test_an_ai_error_with_a_number_is_json(
    client: TestClient, bindings: Bindings, message: str, expected: dict[str, Any]
) -> None:
    """The binding joins number and description to its message."""
    bindings.faults.add(Fault("AI", "run", "error", name="AiError", message=message))

    answer = run(client, BASE, {"text": "a"})

    assert not answer.is_success
    assert answer.json() == {**expected, "name": "AiError"}


def test_an_ai_error_without_a_number_is_its_text(client: TestClient, bindings: Bindings) -> None:
    """The binding takes the text as its message."""
    bindings.faults.add(Fault("AI", "run", "error", message="Network connection lost."))

    answer = run(client, BASE, {"text": "a"})

    assert (answer.is_success, answer.text) == (False, "Network connection lost.")


def test_vectors_are_written_read_and_deleted(client: TestClient) -> None:
    """Each method takes the form that the binding sends."""
    first, second = {"id": "a", "values": [1, 0]}, {"id": "b", "values": [0, 1]}

    assert "mutationId" in call(client, "insert", lines(first)).json()
    assert "mutationId" in call(client, "upsert", lines(first, second)).json()
    info = client.get(f"http://{VECTORIZE_HOST}/info", headers={BINDING_HEADER: "VECTORIZE"}).json()
    assert (info["vectorCount"], info["dimensions"]) == (2, 2)
    found = call(client, "query", json.dumps({"vector": [0, 1], "topK": 1})).json()
    assert [match["id"] for match in found["matches"]] == ["b"]
    found = call(client, "query", json.dumps({"vectorId": "a", "topK": 1})).json()
    assert [match["id"] for match in found["matches"]] == ["a"]
    [entry] = call(client, "getByIds", json.dumps({"ids": ["a"]})).json()
    assert entry["values"] == [1, 0]
    assert "mutationId" in call(client, "deleteByIds", json.dumps({"ids": ["a", "b"]})).json()
    assert call(client, "getByIds", json.dumps({"ids": ["a", "b"]})).json() == []


def test_an_index_error_leaves_the_operation_to_the_binding(client: TestClient) -> None:
    """The binding writes the operation and the code before the sentence."""
    answer = call(client, "upsert", lines({"id": "a" * 65, "values": [1, 0]}))

    assert not answer.is_success
    assert answer.json() == {"code": 40008, "error": "id too long; max is 64 bytes, got 65 bytes"}


def test_an_index_error_without_a_code_has_none(client: TestClient, bindings: Bindings) -> None:
    """Such an error occurs when Vectorize cannot be reached."""
    bindings.faults.add(Fault("VECTORIZE", "upsert", "error", message="out of reach"))

    answer = call(client, "upsert", lines({"id": "a", "values": [1, 0]}))

    assert (answer.is_success, answer.json()) == (False, {"error": "out of reach"})


def test_the_hosts_of_the_bindings_show_nothing_else(client: TestClient) -> None:
    """The controls for tests have only the address of this machine."""
    assert client.get("/control/calls").status_code == 200
    for host in (AI_HOST, VECTORIZE_HOST):
        assert client.get(f"http://{host}/control/calls").status_code == 404
