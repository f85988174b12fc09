"""HTTP requests: headers, JSON bodies, CORS and CSRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from cognate.api.http import MAX_BODY_BYTES, Headers, Request
from cognate.api.refusals import MalformedJson, PayloadTooLarge, UnsupportedMediaType
from cognate.auth.signature import sign
from cognate.errors import InvalidInput
from cognate.settings import Settings
from tests.stage.http import ADA, FRONTEND, OWN_ORIGIN, SECRET
from tests.stage.http import ApiStage as Stage

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize("name", ["X-Request-Id", "x-request-id", "X-REQUEST-ID"])
def test_a_header_is_found_in_any_case(name: str) -> None:
    """The name of a header has no case."""
    headers = Headers([("X-Request-Id", "1")])

    assert headers[name] == "1"
    assert name in headers
    assert list(headers) == ["x-request-id"]


def test_a_repeated_header_is_joined() -> None:
    """Cookies are joined by semicolons, other headers by commas."""
    headers = Headers([("Accept", "a"), ("accept", "b"), ("Cookie", "c=1"), ("cookie", "d=2")])

    assert dict(headers) == {"accept": "a, b", "cookie": "c=1; d=2"}


def test_a_request_is_made_of_a_url() -> None:
    """The path stays encoded, and the query keeps every value."""
    request = Request.of("post", "https://API.example.com:8443/a%2Fb/?x=1&x=%C3%A9&y=&z")

    assert request.method == "POST"
    assert request.origin == "https://api.example.com:8443"
    assert request.path == "/a%2Fb/"
    assert request.query == {"x": ["1", "\u00e9"], "y": [""], "z": [""]}


def test_a_url_without_a_path_asks_for_the_root() -> None:
    """An empty path is a slash."""
    assert Request.of("GET", "https://api.example.com").path == "/"


JSON = "application/json"


class Body:
    """A body that remembers whether it was read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.was_read = False

    async def read(self, _limit: int) -> bytes:
        """All of it, over the limit or not."""
        self.was_read = True
        return self.content


async def read(
    content: bytes, content_type: str | None = JSON, length: str | None = None, limit: int = 1000
) -> dict[str, Any]:
    """Reads a body as a JSON object."""
    return await read_from(Body(content), content_type, length, limit)


async def read_from(
    body: Body, content_type: str | None = JSON, length: str | None = None, limit: int = 1000
) -> dict[str, Any]:
    """Reads this body as a JSON object."""
    named = {"content-type": content_type, "content-length": length}
    headers = [(name, value) for name, value in named.items() if value is not None]
    request = Request.of("POST", "https://a.example/", headers, body.read)
    return await request.json_object(limit)


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
async def test_reads_json(content_type: str) -> None:
    """The content type may be written in any case, with the charset UTF-8."""
    assert await read(' {"a": "\u00e9"}\n'.encode(), content_type) == {"a": "\u00e9"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/problem+json",
    ],
)
async def test_refuses_another_media_type_without_reading(content_type: str | None) -> None:
    """A form of a foreign page can send only other types without a preflight."""
    body = Body(b"{}")

    with pytest.raises(UnsupportedMediaType):
        await read_from(body, content_type)
    assert not body.was_read


@pytest.mark.parametrize("length", ["1001", "99999999999", "9" * 5000, "01001"])
async def test_a_declared_length_over_the_limit_is_refused_without_reading(length: str) -> None:
    """A Content-Length over the limit is enough to refuse."""
    body = Body(b"{}")

    with pytest.raises(PayloadTooLarge):
        await read_from(body, length=length)
    assert not body.was_read


@pytest.mark.parametrize("length", [None, "2", "0", "-1", "a lot", "\u0661"])
async def test_a_length_that_lies_is_found_out(length: str | None) -> None:
    """A body over the limit is refused whatever its Content-Length."""
    with pytest.raises(PayloadTooLarge):
        await read(b'"' + b"x" * 999 + b'"', length=length)


@pytest.mark.parametrize("length", [None, "1000", "0001000"])
async def test_a_body_of_exactly_the_limit_is_read(length: str | None) -> None:
    """The limit itself is allowed."""
    assert await read(b'{"a":"' + b"x" * 992 + b'"}', length=length) == {"a": "x" * 992}


def test_the_limit_is_a_mebibyte() -> None:
    """A text of 100,000 characters fits as escapes."""
    assert MAX_BODY_BYTES == 1_048_576


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  ", id="blank"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="a comma too many"),
        pytest.param(b'{"a": 1} {}', id="two objects"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="Infinity"),
        pytest.param(b'{"a": 1, "a": 2}', id="a name twice"),
        pytest.param(b'{"b": [{"a": 1, "a": 1}]}', id="a name twice, deeper"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', id="a name twice, escaped"),
        pytest.param(b'{"a": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a": "\n"}', id="a line break in a string"),
        pytest.param(b"[" * 400 + b"]" * 400, id="too deep"),
        pytest.param(b'{"a":' * 490, id="too deep, objects"),
        pytest.param(b'{"a": ' + b"1" * 5000 + b"}", id="a number of 5,000 digits"),
    ],
)
async def test_malformed_json_is_refused(content: bytes) -> None:
    """A body is refused if it is not JSON, or if two parsers may read it differently."""
    with pytest.raises(MalformedJson):
        await read(content, limit=10_000)


async def test_a_request_without_a_body_is_malformed() -> None:
    """A missing body is an empty one."""
    request = Request.of("POST", "https://a.example/", [("content-type", JSON)])

    with pytest.raises(MalformedJson):
        await request.json_object()


async def test_the_place_is_told_and_the_text_is_not() -> None:
    """The error has the line and column, and no part of the body."""
    with pytest.raises(MalformedJson) as caught:
        await read(b'{"secret":\n "canary" canary}')
    assert str(caught.value) == "The body is not valid JSON: see line 2 column 11."


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"1", b"null", b"true", b"[{}]"])
async def test_anything_but_an_object_breaks_a_rule(content: bytes) -> None:
    """JSON that is not an object is refused."""
    with pytest.raises(InvalidInput) as caught:
        await read(content)
    assert [field.pointer for field in caught.value.fields] == [""]


COOKIE = {
    "cookie": f"better-auth.session_token={quote(sign('token-of-ada', SECRET), safe='')}",
}
FOREIGN = "https://evil.example.com"
TABLES = "/api/v1/embeddings/tables"
POST = "/api/v1/embeddings"


async def preflight(
    stage: Stage, path: str, origin: str, method: str = "POST"
) -> Mapping[str, str]:
    """Returns the response headers of a preflight."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
    }
    answer = await stage.ask("OPTIONS", path, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    return answer.headers


async def test_an_allowed_origin_may_read_the_answer(stage: Stage) -> None:
    """The response allows the origin, with credentials and exposed headers."""
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
    """An origin must be equal to an allowed one, and every response varies by origin."""
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
    """An allowed origin can read every error."""
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
    """A preflight needs no credential and permits the methods of its path."""
    headers = await preflight(stage, path, FRONTEND)

    assert headers["access-control-allow-methods"] == methods
    assert headers["access-control-allow-headers"] == (
        "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
    )
    assert headers["access-control-allow-origin"] == FRONTEND
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "Origin"


async def test_a_preflight_of_a_foreign_origin_permits_nothing(stage: Stage) -> None:
    """The response has no CORS permission."""
    headers = await preflight(stage, POST, FOREIGN)

    assert not [name for name in headers if name.startswith("access-control-")]


async def test_a_preflight_of_an_unknown_path_is_not_found(stage: Stage) -> None:
    """An unknown path is answered by 404."""
    headers = {"origin": FRONTEND, "access-control-request-method": "POST"}

    assert (await stage.ask("OPTIONS", "/api/v0/claims", headers=headers)).status == 404


async def test_plain_options_lists_the_methods(stage: Stage) -> None:
    """OPTIONS without a preflight returns `allow`."""
    answer = await stage.ask("OPTIONS", POST, headers={})

    assert (answer.status, answer.headers["allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://api.example.com", FRONTEND + "."])
async def test_a_foreign_page_cannot_act_with_a_cookie(stage: Stage, origin: str) -> None:
    """The request is refused before any read or write."""
    answer = await stage.ask("POST", POST, {"content": "x"}, {**COOKIE, "origin": origin})

    assert (answer.status, answer.code) == (403, "ORIGIN_NOT_ALLOWED")
    assert stage.database.batches == []


@pytest.mark.parametrize("origin", [FRONTEND, OWN_ORIGIN, None])
async def test_known_pages_and_programs_can(stage: Stage, origin: str | None) -> None:
    """An allowed origin, this origin, and a client without an origin may write."""
    headers = {**COOKIE, **({} if origin is None else {"origin": origin})}

    assert (await stage.ask("POST", POST, {"content": "x"}, headers)).status == 202


async def test_a_foreign_page_may_look_but_not_read(stage: Stage) -> None:
    """A safe request is answered, but the browser hides the response from the page."""
    answer = await stage.ask("GET", TABLES, headers={**COOKIE, "origin": FOREIGN})

    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_bearer_token_is_never_sent_unasked(stage: Stage) -> None:
    """With a bearer token the origin does not matter."""
    answer = await stage.ask("POST", POST, {"content": "x"}, {**ADA, "origin": FOREIGN})

    assert answer.status == 202


async def test_a_foreign_page_without_a_valid_cookie_is_nobody(stage: Stage) -> None:
    """The credential is checked before the origin."""
    assert (await stage.ask("POST", POST, {}, {"origin": FOREIGN})).status == 401


async def test_no_frontends_is_the_default() -> None:
    """Without a setting no other origin may read a response."""
    stage = Stage(settings=Settings(auth_secret=SECRET))

    headers = (await stage.ask("GET", TABLES, headers={**ADA, "origin": FRONTEND})).headers

    assert "access-control-allow-origin" not in headers
