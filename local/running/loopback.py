"""Ports and requests on the loopback address."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

HOST: Final = "127.0.0.1"
"""All servers of a local run listen on this address only."""

_POLL_SECONDS: Final = 0.1
_ANSWER_SECONDS: Final = 30.0
"""The first request waits until the runtime has started Python."""

_CONNECT_SECONDS: Final = 2.0

_ERROR_GRACE_SECONDS: Final = 5.0
"""A server that has answered with errors for this long does not become healthy by itself."""

DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine. It ignores the proxies of the environment."""


class NotHealthyError(Exception):
    """A server did not become healthy. The message says what it did instead."""


def free_port() -> int:
    """A port on which no server listens now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server can listen on `port`."""
    with socket.socket() as listener:
        # Servers set this option too. Connections that were just closed must not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether a server accepts connections on `port`."""
    try:
        socket.create_connection((HOST, port), timeout=_CONNECT_SECONDS).close()
    except TimeoutError:
        # It listens but is busy.
        return True
    except OSError:
        return False
    return True


def wait_until_healthy(
    url: str,
    *,
    seconds: float,
    is_running: Callable[[], bool],
    answer_seconds: float = _ANSWER_SECONDS,
) -> None:
    """Request `url` until it answers 200. Each answer may take `answer_seconds`.

    Raises:
        NotHealthyError: its process ended, it kept answering with errors, or `seconds` passed.
    """
    deadline = time.monotonic() + seconds
    erring_since: float | None = None
    while time.monotonic() < deadline:
        if not is_running():
            message = "it ended before it answered"
            raise NotHealthyError(message)
        status = status_of(url, answer_seconds)
        if status == http.HTTPStatus.OK:
            return
        now = time.monotonic()
        erring_since = None if status is None else erring_since or now
        if erring_since is not None and now - erring_since > _ERROR_GRACE_SECONDS:
            message = f"it answers {url} with status {status}"
            raise NotHealthyError(message)
        time.sleep(_POLL_SECONDS)
    message = f"it did not answer {url} within {seconds:.0f} seconds"
    raise NotHealthyError(message)


def status_of(url: str, answer_seconds: float = _ANSWER_SECONDS) -> int | None:
    """The status of one request; None if there was no answer."""
    try:
        with DIRECT.open(url, timeout=answer_seconds) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return None
