"""Tests of `local.demo.sample_claims`."""

from __future__ import annotations

import json
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from local.demo.sample_claims import add_demo_claims, add_demo_claims_once
from local.running.loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Received(HTTPServer):
    """A Worker that keeps the records that it gets, as (authorization, body).

    Attributes:
        status: the status of its answer to a new record.
    """

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.written: list[tuple[str | None, dict[str, str]]] = []
        self.status = 201

    @property
    def url(self) -> str:
        """The address of the Worker."""
        return f"http://{HOST}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        record = (self.headers["authorization"], json.loads(body))
        known = record in self.server.written
        # Before it answers: whoever was answered may look at once.
        if self.server.status == 201 and not known:
            self.server.written.append(record)
        self.send_response(409 if known else self.server.status)
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


def test_each_claim_is_written_for_its_own_organization(worker: Received) -> None:
    """Both organizations have the same ids, with other sessions and sentences."""
    added = add_demo_claims(worker.url)

    assert added == len(worker.written) == 4
    assert {(who, body["id"]) for who, body in worker.written} == {
        (f"Bearer demo-session-{slug}", record_id)
        for slug in ("acme", "borealis")
        for record_id in ("claim_1", "claim_2")
    }
    assert len({body["content"] for _, body in worker.written}) == 4


def test_a_second_start_adds_nothing(worker: Received) -> None:
    """The data of the first start is kept."""
    add_demo_claims(worker.url)

    assert add_demo_claims(worker.url) == 0


def test_an_application_without_the_sample_table_gets_none(worker: Received) -> None:
    """Its API does not know the table, which is no error."""
    worker.status = 404

    assert add_demo_claims(worker.url) == 0


def test_a_worker_that_refuses_is_an_error(worker: Received) -> None:
    """The launcher prints it instead of showing a demo that cannot work."""
    worker.status = 503

    with pytest.raises(urllib.error.HTTPError):
        add_demo_claims(worker.url)


def test_a_claim_that_was_deleted_is_not_written_again(worker: Received, tmp_path: Path) -> None:
    """The claims are written once to each new state folder."""
    add_demo_claims_once(worker.url, tmp_path)
    worker.written.pop()

    add_demo_claims_once(worker.url, tmp_path)

    assert len(worker.written) == 3


def test_claims_that_were_refused_are_written_at_the_next_start(
    worker: Received, tmp_path: Path
) -> None:
    """They are refused as long as the migration of their table is missing."""
    worker.status = 503
    with pytest.raises(urllib.error.HTTPError):
        add_demo_claims_once(worker.url, tmp_path)
    worker.status = 201

    add_demo_claims_once(worker.url, tmp_path)

    assert len(worker.written) == 4
