"""Tests of `local.bindings.server`: the protocol, the choice of an encoder, the process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from local.ai.embedding_spaces import StandInEncoder
from local.bindings.server import create_app, create_bindings, create_encoder, serve
from local.failures import StartError
from tests.stage.one_direction import OneDirection

BASE = "@cf/baai/bge-base-en-v1.5"
DEADLINE_SECONDS = 20.0


@pytest.fixture
def index_config(tmp_path: Path) -> Path:
    """A configuration of two indexes."""
    path = tmp_path / "indexes.json"
    path.write_text(
        json.dumps(
            [
                {
                    "binding": "VECTORIZE",
                    "name": "cognate-768",
                    "dimensions": 768,
                    "metric": "cosine",
                    "metadataIndexes": {"organizationId": "string"},
                },
                {"binding": "VECTORIZE_384", "name": "cognate-384", "dimensions": 384},
            ]
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def client(index_config: Path, tmp_path: Path) -> TestClient:
    """An HTTP client of the server over a cheap encoder."""
    app = create_app(create_bindings(OneDirection(), index_config, tmp_path / "state"))
    return TestClient(app, base_url="http://127.0.0.1")


def rpc(client: TestClient | httpx.Client, path: str, *arguments: object) -> dict[str, Any]:
    """Make one call and return the whole answer."""
    response = client.post(f"/rpc/{path}", json={"arguments": arguments})
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def free_port() -> int:
    """A port on which no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def test_health_tells_what_is_there(client: TestClient) -> None:
    """A program that waits for the server reads it."""
    assert client.get("/healthz").json() == {
        "status": "ok",
        "ai": "minilm",
        "indexes": ["VECTORIZE", "VECTORIZE_384"],
    }


def test_an_answer_is_a_result_or_an_error(client: TestClient) -> None:
    """Both have status 200, because a rejected call is an answer too."""
    assert rpc(client, "AI/run", BASE, {"text": "x"})["result"]["shape"] == [1, 768]
    assert rpc(client, "AI/run", "@cf/none", {"text": "x"}) == {
        "error": {"name": "AiError", "message": "5007: No such model @cf/none or task"}
    }
    assert rpc(client, "AI/walk")["error"]["name"] == "TypeError"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"arguments": {}}'])
def test_a_request_that_is_no_call_is_refused(client: TestClient, body: bytes) -> None:
    """The status is 400, because the caller made a mistake."""
    assert client.post("/rpc/AI/run", content=body).status_code == 400


def test_a_page_under_another_name_is_refused(client: TestClient) -> None:
    """A web page whose host name resolves to this machine cannot call the bindings."""
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
    assert client.get("/healthz", headers={"host": "localhost:8999"}).status_code == 200


def test_the_built_in_model_is_the_default() -> None:
    """An empty variable counts as unset."""
    encoder, name = create_encoder({"LOCAL_AI": ""})
    assert isinstance(encoder, StandInEncoder)
    assert name == "minilm"


def test_a_cheap_encoder_can_be_asked_for() -> None:
    """Tests use it that embed many texts and need no meaning."""
    encoder, name = create_encoder({"LOCAL_AI": "words"})
    assert name == "words"
    assert encoder.count_tokens(BASE, "two words") == 4


def test_an_unknown_encoder_is_refused() -> None:
    """The sentence lists the known ones."""
    with pytest.raises(StartError, match=r"use minilm \(the default\), bge or words"):
        create_encoder({"LOCAL_AI": "gpt"})


def test_a_taken_port_is_one_sentence(
    index_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = [f"--port={port}", f"--state={tmp_path}", f"--index-config={index_config}"]
        assert serve(arguments) == 1
    assert capsys.readouterr().err.startswith(f"Port {port} is taken")


def test_a_state_folder_that_cannot_be_made_is_one_sentence(
    index_config: Path,
) -> None:
    """Here its parent is a file."""
    with pytest.raises(StartError, match="cannot be made"):
        create_bindings(OneDirection(), index_config, index_config / "state")


def test_the_process_serves_keeps_its_data_and_stops(index_config: Path, tmp_path: Path) -> None:
    """It embeds, stores, finds, ends on SIGTERM, and has its data after a second start."""
    question = {"text": "Police arrested three suspects", "pooling": "cls"}
    for start in range(2):
        port = free_port()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "local.bindings.server", f"--port={port}"),
                *(f"--state={tmp_path / 'state'}", f"--index-config={index_config}"),
            ],
            env={key: value for key, value in os.environ.items() if key != "LOCAL_AI"},
            cwd=Path(__file__).parents[4],
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                wait_for(client)
                vector = rpc(client, "AI/run", BASE, question)["result"]["data"][0]
                if start == 0:
                    rpc(client, "VECTORIZE/upsert", [{"id": "a", "values": vector}])
                (match,) = rpc(client, "VECTORIZE/query", vector)["result"]["matches"]
                assert match == {"id": "a", "score": pytest.approx(1.0, abs=1e-6)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_SECONDS)


def wait_for(client: httpx.Client) -> None:
    """Request `/healthz` until it answers or the deadline has passed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            assert client.get("/healthz").json()["status"] == "ok"
        except httpx.TransportError:
            assert time.monotonic() < deadline
        else:
            return
