"""Tests of `local.running.loopback`, with real sockets."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from local.running.loopback import (
    HOST,
    NotHealthyError,
    free_port,
    is_free,
    is_listening,
    wait_until_healthy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _server(*statuses: int) -> Iterator[str]:
    """A server that answers with these statuses in turn, then always with the last one."""
    remaining = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(remaining.pop(0) if len(remaining) > 1 else remaining[0])
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its base's name
            pass

    with HTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}/healthz"
        server.shutdown()
        thread.join()


def test_a_free_port_is_free_until_somebody_listens() -> None:
    """A taken port is found before a server is started on it."""
    port = free_port()
    assert is_free(port)

    with socket.create_server((HOST, port)):
        assert not is_free(port)


def test_a_server_that_takes_connections_is_listening() -> None:
    """It need not answer requests."""
    port = free_port()
    assert not is_listening(port)

    with socket.create_server((HOST, port)):
        assert is_listening(port)


def test_a_server_that_does_not_answer_is_not_waited_for_long() -> None:
    """The server accepts the connection and sends nothing."""
    with socket.create_server((HOST, 0)) as silent:
        url = f"http://{HOST}:{silent.getsockname()[1]}/healthz"
        with pytest.raises(NotHealthyError, match="did not answer"):
            wait_until_healthy(url, seconds=0.2, answer_seconds=0.2, is_running=lambda: True)


def test_waiting_ends_when_the_server_answers() -> None:
    """A server that is not ready yet is asked again."""
    with _server(503, 503, 200) as url:
        wait_until_healthy(url, seconds=10, is_running=lambda: True)


def test_waiting_ends_at_the_deadline() -> None:
    """The message says how long it waited."""
    with pytest.raises(NotHealthyError, match=r"did not answer .* within 0 seconds"):
        wait_until_healthy(
            f"http://{HOST}:{free_port()}/healthz", seconds=0.2, is_running=lambda: True
        )


def test_waiting_ends_when_the_process_ends() -> None:
    """A server that has ended will never answer."""
    with pytest.raises(NotHealthyError, match="ended before it answered"):
        wait_until_healthy("http://127.0.0.1:9/", seconds=60, is_running=lambda: False)


def test_a_lasting_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Worker that cannot be imported always answers 500."""
    monkeypatch.setattr("local.running.loopback._ERROR_GRACE_SECONDS", 0.2)

    with _server(500) as url, pytest.raises(NotHealthyError, match="with status 500"):
        wait_until_healthy(url, seconds=60, is_running=lambda: True)
