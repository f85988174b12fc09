"""What only the real runtime can show of HTTP: bodies as streams, cookies, headers, preflights."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from cognate.api.http import MAX_BODY_BYTES
from cognate.auth.signature import sign
from local.demo.organizations import DEMO_ORGANIZATIONS
from local.setup.layout import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

ACME: Final = DEMO_ORGANIZATIONS[0]
BEARER: Final = {"authorization": f"Bearer {ACME.session_token}"}
JSON: Final = {**BEARER, "content-type": "application/json"}
LOCAL: Final = tomllib.loads((ROOT / "wrangler.toml").read_text("utf-8"))["env"]["local"]["vars"]
FRONTEND: Final = LOCAL["ALLOWED_ORIGINS"].split(",")[0]
POST: Final = "/api/v1/embeddings"
TABLES: Final = "/api/v1/embeddings/tables"


def _flood() -> Iterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(MAX_BODY_BYTES // 65536 + 1):
        yield b"x" * 65536


@pytest.mark.parametrize(
    ("method", "headers", "body", "expected"),
    [
        ("POST", JSON, b"x" * (MAX_BODY_BYTES + 1), (413, "PAYLOAD_TOO_LARGE")),
        (
            "POST",
            {**BEARER, "content-type": "text/plain"},
            b"text",
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
        ("POST", JSON, b'{"content": ', (400, "MALFORMED_JSON")),
        ("POST", JSON, b"", (400, "MALFORMED_JSON")),
        ("POST", JSON, b'{"content": 5}', (400, "VALIDATION_FAILED")),
        ("POST", JSON, b'{"content": "a", "tabel": "b"}', (400, "VALIDATION_FAILED")),
        ("PUT", JSON, b"{}", (405, "METHOD_NOT_ALLOWED")),
        ("POST", {"content-type": "application/json"}, b"{}", (401, "CREDENTIAL_MISSING")),
    ],
)
def test_a_request_that_is_wrong_is_a_clear_problem(
    http: httpx.Client,
    method: str,
    headers: dict[str, str],
    body: bytes,
    expected: tuple[int, str],
) -> None:
    """With its stable code, and a request id in body and header."""
    answer = http.request(method, POST, headers=headers, content=body)

    assert expected == (answer.status_code, answer.json()["code"])
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["requestId"]
    assert ("allow" in answer.headers) is (expected[0] == 405)


def test_a_flood_without_a_length_is_refused(http: httpx.Client) -> None:
    """It is not read to its end."""
    answer = http.post(POST, headers=JSON, content=_flood())

    assert (413, "PAYLOAD_TOO_LARGE") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "name", ["better-auth.session_token", "__Secure-better-auth.session_token"]
)
def test_a_signed_cookie_signs_in_and_a_forged_one_does_not(http: httpx.Client, name: str) -> None:
    """By either name that Better Auth gives it."""
    genuine = sign(ACME.session_token, LOCAL["BETTER_AUTH_SECRET"])
    forged = sign(ACME.session_token, "another secret")

    def status(value: str) -> int:
        cookie = f"{name}={quote(value, safe='')}"
        return http.get(TABLES, headers={"cookie": cookie}).status_code

    assert (200, 401, 401) == (status(genuine), status(forged), status(ACME.session_token))


def test_a_browser_frontend_may_call(http: httpx.Client) -> None:
    """A preflight permits what the path has, with credentials; another origin is told nothing."""
    asked = {"access-control-request-method": "POST"}
    preflight = http.options(POST, headers={"origin": FRONTEND, **asked})
    foreign = http.options(POST, headers={"origin": "https://evil.example", **asked})
    answer = http.get(TABLES, headers={**BEARER, "origin": FRONTEND})

    assert preflight.status_code == 204
    for response in (preflight, answer):
        assert response.headers["access-control-allow-origin"] == FRONTEND
        assert response.headers["access-control-allow-credentials"] == "true"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in foreign.headers
