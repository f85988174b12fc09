"""Which frontends may call, and which pages may not act with a cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from cognate.auth.signature import sign
from cognate.settings import Settings
from tests.unit.api.stage import ADA, FRONTEND, OWN_ORIGIN, SECRET, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE = {
    "cookie": f"better-auth.session_token={quote(sign('token-of-ada', SECRET), safe='')}",
}
FOREIGN = "https://evil.example.com"
TABLES = "/api/v1/embeddings/tables"
POST = "/api/v1/embeddings"


async def preflight(
    stage: Stage, path: str, origin: str, method: str = "POST"
) -> Mapping[str, str]:
    """The headers of the answer to a browser that asks first."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
    }
    answer = await stage.ask("OPTIONS", path, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    return answer.headers


async def test_an_allowed_origin_may_read_the_answer(stage: Stage) -> None:
    """With credentials, and with the headers that a frontend needs."""
    headers = (await stage.ask("GET", TABLES, headers={**ADA, "origin": FRONTEND})).headers

    assert headers["access-control-allow-origin"] == FRONTEND
    assert headers["access-control-allow-credentials"] == "true"
    assert (
        headers["access-control-expose-headers"]
        == "x-request-id, Retry-After, ETag, Location, Idempotency-Replayed"
    )
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        FOREIGN,
        "null",
        "",
        "*",
        FRONTEND + "/",
        FRONTEND + ":443",
        FRONTEND.upper(),
        "http://app.example.com",
        "https://app.example.com.evil.com",
    ],
)
async def test_any_other_origin_may_not(stage: Stage, origin: str) -> None:
    """Origins are compared as they are; the answer still varies by them."""
    headers = (await stage.ask("GET", TABLES, headers={**ADA, "origin": origin})).headers

    assert not [name for name in headers if name.startswith("access-control-")]
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("DELETE", TABLES, {}, 405),
        ("GET", TABLES, {}, 401),
        ("POST", POST, {**ADA, "content-type": "text/plain"}, 415),
    ],
)
async def test_errors_can_be_read_too(
    stage: Stage, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Or a frontend would see a network failure in place of each of them."""
    answer = await stage.ask(method, path, headers={**headers, "origin": FRONTEND})

    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == FRONTEND


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (POST, "OPTIONS, POST"),
        (TABLES, "GET, HEAD, OPTIONS"),
        ("/api/v1/similarity/claimSimilarity/gray-zone", "OPTIONS, POST"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_preflight_permits_the_methods_of_the_path(
    stage: Stage, path: str, methods: str
) -> None:
    """Those and no others; it needs no credential."""
    headers = await preflight(stage, path, FRONTEND)

    assert headers["access-control-allow-methods"] == methods
    assert headers["access-control-allow-headers"] == (
        "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
    )
    assert headers["access-control-allow-origin"] == FRONTEND
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "Origin"


async def test_a_preflight_of_a_foreign_origin_permits_nothing(stage: Stage) -> None:
    """It is answered, without a word that a browser would take for permission."""
    headers = await preflight(stage, POST, FOREIGN)

    assert not [name for name in headers if name.startswith("access-control-")]


async def test_a_preflight_of_an_unknown_path_is_not_found(stage: Stage) -> None:
    """There is nothing to permit."""
    headers = {"origin": FRONTEND, "access-control-request-method": "POST"}

    assert (await stage.ask("OPTIONS", "/api/v0/claims", headers=headers)).status == 404


async def test_plain_options_lists_the_methods(stage: Stage) -> None:
    """For whoever asks by hand."""
    answer = await stage.ask("OPTIONS", POST, headers={})

    assert (answer.status, answer.headers["allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://api.example.com", FRONTEND + "."])
async def test_a_foreign_page_cannot_act_with_a_cookie(stage: Stage, origin: str) -> None:
    """Whatever it sends, and before anything is read or written."""
    answer = await stage.ask("POST", POST, {"content": "x"}, {**COOKIE, "origin": origin})

    assert (answer.status, answer.code) == (403, "ORIGIN_NOT_ALLOWED")
    assert stage.database.batches == 0


@pytest.mark.parametrize("origin", [FRONTEND, OWN_ORIGIN, None])
async def test_known_pages_and_programs_can(stage: Stage, origin: str | None) -> None:
    """A frontend, a page of this very origin, and a program, which sends no Origin."""
    headers = {**COOKIE, **({} if origin is None else {"origin": origin})}

    assert (await stage.ask("POST", POST, {"content": "x"}, headers)).status == 202


async def test_a_foreign_page_may_look_but_not_read(stage: Stage) -> None:
    """A safe request changes nothing; its browser keeps the answer from the page."""
    answer = await stage.ask("GET", TABLES, headers={**COOKIE, "origin": FOREIGN})

    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_bearer_token_is_never_sent_unasked(stage: Stage) -> None:
    """So its origin does not matter."""
    answer = await stage.ask("POST", POST, {"content": "x"}, {**ADA, "origin": FOREIGN})

    assert answer.status == 202


async def test_a_foreign_page_without_a_valid_cookie_is_nobody(stage: Stage) -> None:
    """The credential comes first."""
    assert (await stage.ask("POST", POST, {}, {"origin": FOREIGN})).status == 401


async def test_no_frontends_is_the_default() -> None:
    """Until origins are configured, no other page may read anything."""
    stage = Stage(settings=Settings(auth_secret=SECRET))

    headers = (await stage.ask("GET", TABLES, headers={**ADA, "origin": FRONTEND})).headers

    assert "access-control-allow-origin" not in headers
