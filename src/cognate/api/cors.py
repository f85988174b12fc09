"""Which browser frontends may call, and what they may see: CORS, and the check against CSRF.

Origins are an exact list. Requests carry cookies, so an answer always names the one origin it is
for, and `Vary: Origin` keeps caches from handing it to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.api.http import Response
from cognate.api.refusals import OriginNotAllowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.api.http import Request
    from cognate.auth.credentials import SessionToken

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
REQUEST_HEADERS: Final = (
    "authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
)
"""What a frontend may send beyond what every page may."""

EXPOSED_HEADERS: Final = "x-request-id, Retry-After, ETag, Location, Idempotency-Replayed"
"""What a frontend may read beyond what every page may."""

PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember a preflight; Chromium's own limit is 7,200."""


def cors_headers(request: Request, allowed: frozenset[str]) -> dict[str, str]:
    """The headers that every response carries, errors too."""
    headers = {"vary": "Origin"}
    origin = request.headers.get("origin")
    if origin is not None and origin in allowed:
        headers["access-control-allow-origin"] = origin
        headers["access-control-allow-credentials"] = "true"
        headers["access-control-expose-headers"] = EXPOSED_HEADERS
    return headers


def options_response(request: Request, methods: Sequence[str], allowed: frozenset[str]) -> Response:
    """The answer to OPTIONS: the path's methods, and to an allowed origin the permission.

    An origin that is not allowed gets no permission, and the browser stops there.
    """
    headers = {"allow": ", ".join(methods)}
    if request.headers.get("origin") in allowed and _is_preflight(request):
        headers["access-control-allow-methods"] = ", ".join(methods)
        headers["access-control-allow-headers"] = REQUEST_HEADERS
        headers["access-control-max-age"] = str(PREFLIGHT_SECONDS)
    return Response(204, headers)


def refuse_foreign_origin(
    request: Request, credential: SessionToken, allowed: frozenset[str]
) -> None:
    """Stop a foreign page that acts with the cookie of whoever looks at it.

    Browsers name the page in `Origin` on every unsafe request, and send cookies unasked but no
    `Authorization`. A client without `Origin` is no browser and had to know the cookie.

    Raises:
        OriginNotAllowed: an unsafe request by cookie from an origin that is neither this one nor
            an allowed one; `null`, of a sandboxed page, is neither.
    """
    origin = request.headers.get("origin")
    if credential.source != "cookie" or request.method in SAFE_METHODS or origin is None:
        return
    if origin != request.origin and origin not in allowed:
        raise OriginNotAllowed


def _is_preflight(request: Request) -> bool:
    return "access-control-request-method" in request.headers
