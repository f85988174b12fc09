"""The demo claims: written once, embedded through the API, absent without the sample table."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from local.demo import add_demo_claims
from local.loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLAIMS = """
CREATE TABLE claims (
  organization_id TEXT, id TEXT, content TEXT, story_id TEXT, PRIMARY KEY (organization_id, id)
)
"""


class Received(HTTPServer):
    """A Worker that keeps what it was asked to embed, as (authorization, body)."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.embedded: list[tuple[str | None, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.embedded.append((self.headers["authorization"], json.loads(body)))
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its base's name
        pass


@pytest.fixture
def worker() -> Iterator[Received]:
    """A listening Worker."""
    with Received() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _database(folder: Path, schema: str) -> Path:
    path = folder / "d1.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(schema)
    return path


def test_each_claim_is_embedded_for_its_own_organization(worker: Received, tmp_path: Path) -> None:
    """The ids are the same in both, the sessions and the sentences are not."""
    added = add_demo_claims(_database(tmp_path, _CLAIMS), worker.url)

    assert added == len(worker.embedded) == 4
    assert {(who, body["id"]) for who, body in worker.embedded} == {
        (f"Bearer demo-session-{slug}", record_id)
        for slug in ("acme", "borealis")
        for record_id in ("claim_1", "claim_2")
    }
    assert len({body["content"] for _, body in worker.embedded}) == 4


def test_a_second_start_adds_nothing(worker: Received, tmp_path: Path) -> None:
    """Data is kept between starts, and not embedded again."""
    database = _database(tmp_path, _CLAIMS)
    add_demo_claims(database, worker.url)

    assert add_demo_claims(database, worker.url) == 0


def test_an_application_without_the_sample_table_gets_none(tmp_path: Path) -> None:
    """Nobody is asked: there is nothing to embed."""
    assert (
        add_demo_claims(_database(tmp_path, "CREATE TABLE mine (id TEXT)"), "http://x.invalid") == 0
    )
