"""HTTP requests and responses as plain values: headers, JSON bodies and CORS.

The adapter of the runtime makes a `Request` and sends a `Response`; nothing here knows JavaScript.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic_core import from_json

from cognate.api.refusals import (
    MalformedJson,
    OriginNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from cognate.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from cognate.auth.sessions import SessionToken

MAX_BODY_BYTES: Final = 1024 * 1024
"""Bytes of a request body. A text of 100,000 characters fits, whatever its script and escapes."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

REQUEST_HEADERS: Final = (
    "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
)
"""Headers that a frontend may send, beside those that CORS always allows."""

EXPOSED_HEADERS: Final = "x-request-id, Retry-After, ETag, Location, Idempotency-Replayed"
"""Headers that a frontend may read, beside those that CORS always allows."""

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may cache a preflight. Chromium's own limit is 7,200."""

BodyReader = Callable[[int], Awaitable[bytes]]
"""Reads a body up to a limit in bytes. Of a longer body it returns any beginning over the limit."""


class Headers(Mapping[str, str]):
    """Headers, found by name in any case. Iteration yields the names in lower case."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """Join repeated headers: cookies by `; `, all others by `, `."""
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            separator = "; " if key == "cookie" else ", "
            known = self._values.get(key)
            self._values[key] = value if known is None else f"{known}{separator}{value}"

    def __getitem__(self, name: str) -> str:
        """The value of a header."""
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """The names in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        """The number of different headers."""
        return len(self._values)


async def no_body(_limit: int) -> bytes:
    """Read the body of a request that has none."""
    return b""


@dataclass(frozen=True)
class Request:
    """An HTTP request as it arrived.

    Attributes:
        method: in upper case.
        origin: the scheme and host of the URL, written as a browser writes an origin.
        path: still percent-encoded, because an encoded slash does not separate segments.
        query: every value of each parameter, decoded and in order.
        headers: found by name in any case.
        read_body: reads the body, once.
    """

    method: str
    origin: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    read_body: BodyReader = no_body

    @classmethod
    def of(
        cls,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        read_body: BodyReader = no_body,
    ) -> Request:
        """Make a request from an absolute URL."""
        parts = urlsplit(url)
        return cls(
            method=method.upper(),
            origin=f"{parts.scheme}://{parts.netloc}".lower(),
            path=parts.path or "/",
            query=parse_qs(parts.query, keep_blank_values=True),
            headers=Headers(headers),
            read_body=read_body,
        )

    async def json_object(self, limit: int = MAX_BODY_BYTES) -> dict[str, Any]:
        """Read the body, which must be a JSON object of at most `limit` bytes.

        Raises:
            UnsupportedMediaType: the content type is not `application/json`. Nothing is read.
            PayloadTooLarge: the body is longer than the limit. If `Content-Length` says so, nothing
                is read.
            MalformedJson: the body is not JSON, or JSON that two parsers may read differently: with
                a repeated name, NaN, half a surrogate pair, or more than 200 levels.
            InvalidInput: the body is JSON, but not an object.
        """
        _require_json(self.headers.get("content-type", ""))
        declared = self.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and _exceeds(declared, limit):
            raise PayloadTooLarge(limit)
        body = await self.read_body(limit)
        if len(body) > limit:
            raise PayloadTooLarge(limit)
        value = _parse_json(body)
        if not isinstance(value, dict):
            raise InvalidInput(FieldError("", "must be a JSON object"))
        return value


@dataclass(frozen=True)
class Response:
    """An HTTP response. The names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def cors_headers(request: Request, allowed: frozenset[str]) -> dict[str, str]:
    """Return the CORS headers of any response, errors included.

    Requests carry cookies, so a response names the one origin that may read it. `Vary: Origin`
    keeps caches from giving it to another origin.
    """
    headers = {"vary": "Origin"}
    origin = request.headers.get("origin")
    if origin is not None and origin in allowed:
        headers["access-control-allow-origin"] = origin
        headers["access-control-allow-credentials"] = "true"
        headers["access-control-expose-headers"] = EXPOSED_HEADERS
    return headers


def options_response(request: Request, methods: Sequence[str], allowed: frozenset[str]) -> Response:
    """Answer OPTIONS with the methods of the path, and answer the preflight of an allowed origin.

    An origin that is not allowed gets no permission, so its browser does not send the request.
    """
    headers = {"allow": ", ".join(methods)}
    is_preflight = "access-control-request-method" in request.headers
    if is_preflight and request.headers.get("origin") in allowed:
        headers["access-control-allow-methods"] = ", ".join(methods)
        headers["access-control-allow-headers"] = REQUEST_HEADERS
        headers["access-control-max-age"] = str(PREFLIGHT_SECONDS)
    return Response(204, headers)


def refuse_foreign_origin(
    request: Request, credential: SessionToken, allowed: frozenset[str]
) -> None:
    """Refuse a request that a foreign page sends with the cookie of its visitor (CSRF).

    A browser names the page in `Origin` on every unsafe request. It sends cookies by itself, but
    never `Authorization`. A client that sends no `Origin` is not a browser.

    Raises:
        OriginNotAllowed: the method is unsafe, the credential is a cookie, and the origin is
            neither this one nor an allowed one. A sandboxed page sends `null`, which is neither.
    """
    origin = request.headers.get("origin")
    if credential.source != "cookie" or request.method in SAFE_METHODS or origin is None:
        return
    if origin != request.origin and origin not in allowed:
        raise OriginNotAllowed


def _require_json(content_type: str) -> None:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [
        value.strip('"')
        for name, _, value in (parameter.partition("=") for parameter in parameters)
        if name == "charset"
    ]
    if media_type != "application/json" or any(value != "utf-8" for value in charsets):
        raise UnsupportedMediaType


def _exceeds(digits: str, limit: int) -> bool:
    significant = digits.lstrip("0")
    # The length goes first, because `int` refuses numbers of thousands of digits.
    return len(significant) > len(str(limit)) or int(significant or "0") > limit


def _parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON of any kind
    if not body.strip():
        message = "The body is empty; send a JSON object."
        raise MalformedJson(message)
    try:
        # The first parser limits the depth and refuses NaN, bad UTF-8 and lone surrogates, but
        # keeps the last of two equal names. The second parser finds repeated names.
        from_json(body, allow_inf_nan=False)
        return json.loads(body.decode(), object_pairs_hook=_unique_names)
    except ValueError as error:
        # The parser's message may quote the body, so only the position is repeated.
        message = f"The body is not valid JSON{_position(error)}."
        raise MalformedJson(message) from None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        message = "An object in the body has the same name twice; send each name once."
        raise MalformedJson(message)
    return names


def _position(error: ValueError) -> str:
    _, at, position = str(error).rpartition(" at line ")
    return f": see line {position}" if at else ""
