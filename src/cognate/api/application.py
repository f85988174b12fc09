"""From a request to its response: id, routing, authentication, body, handler, headers, one event.

The order of refusals is fixed, so that each tells no more than its caller may know: an unknown path
or method first, for they are public; then a broken deployment, the credential, the origin, the
organization; and only for a member the body.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.api.bodies import read_object
from cognate.api.cors import cors_headers, options_response, refuse_foreign_origin
from cognate.api.http import Response
from cognate.api.problems import code_of, problem_response
from cognate.api.queries import parse_query
from cognate.api.route import Call, Reply
from cognate.api.router import Router
from cognate.api.routes import ROUTES
from cognate.api.wire import parse
from cognate.auth.authenticate import authenticate
from cognate.auth.credentials import credential_from
from cognate.errors import CognateError, PlatformError
from cognate.events import emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cognate.api.http import Request
    from cognate.api.route import Route
    from cognate.errors import ConfigurationError
    from cognate.ports import Platform
    from cognate.principal import Principal
    from cognate.schema import Cognate
    from cognate.settings import Settings

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An incoming request id that may go into logs and headers as it is."""

CONTENT_TYPE: Final = "application/json"
EVERY_RESPONSE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass
class _Trace:
    """What the log will say about one request."""

    request_id: str
    route: str | None = None
    organization_id: str | None = None
    error: Exception | None = None


class Application:
    """The HTTP API of one schema; it keeps nothing between requests."""

    def __init__(self, app: Cognate, routes: Iterable[Route] = ROUTES) -> None:
        """Make the router; `routes` are all of the API's unless a test wants fewer."""
        self._app = app
        self._router = Router(routes)

    async def handle(
        self,
        request: Request,
        platform: Platform,
        settings: Settings,
        broken: Sequence[ConfigurationError] = (),
    ) -> Response:
        """Answer a request; every error becomes a problem, so nothing is raised.

        Args:
            request: as it came.
            platform: the ports; one whose binding is missing raises when it is used.
            settings: with the default for each that cannot be read.
            broken: those settings and bindings. Where there are any, most routes answer the first.
        """
        trace = _Trace(_request_id(request))
        try:
            response = await self._answer(request, platform, settings, broken, trace)
        except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, it is a 500
            trace.error = error
            response = _problem(request, trace, error)
        return _finish(request, response, trace, settings.allowed_origins)

    async def _answer(
        self,
        request: Request,
        platform: Platform,
        settings: Settings,
        broken: Sequence[ConfigurationError],
        trace: _Trace,
    ) -> Response:
        endpoint = self._router.find(request.path)
        if request.method == "OPTIONS":
            return options_response(request, endpoint.methods, settings.allowed_origins)
        route = endpoint.route(request.method)
        trace.route = route.name
        if broken and not (route.public or route.answers_if_broken):
            raise broken[0]
        caller = None
        if not route.public:
            caller = await _caller(request, platform, settings)
            trace.organization_id = caller.organization_id
        query = None if route.query is None else parse_query(route.query, request.query)
        parsed = None
        if route.request is not None:
            parsed = parse(route.request, await read_object(request))
        call = Call(
            self._app,
            platform,
            request,
            endpoint.parameters_of(route),
            caller,
            parsed,
            query,
            trace.request_id,
            broken,
        )
        answered = await route.handler(call)
        reply = answered if isinstance(answered, Reply) else Reply(answered)
        status = reply.status or route.status
        if reply.answer is None:
            return Response(status, reply.headers)
        headers = {"content-type": CONTENT_TYPE, **reply.headers}
        return Response(status, headers, reply.answer.to_json())


async def _caller(request: Request, platform: Platform, settings: Settings) -> Principal:
    secret = settings.require_auth_secret()
    credential = credential_from(request.headers, secret)
    refuse_foreign_origin(request, credential, settings.allowed_origins)
    return await authenticate(
        credential, platform.auth_database, platform.clock, settings.auth_naming
    )


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def _problem(request: Request, trace: _Trace, error: Exception) -> Response:
    return problem_response(error, path=request.path, request_id=trace.request_id)


def _finish(
    request: Request, response: Response, trace: _Trace, allowed_origins: frozenset[str]
) -> Response:
    error = trace.error
    emit(
        "request.answered",
        requestId=trace.request_id,
        method=request.method,
        route=trace.route,
        organizationId=trace.organization_id,
        status=response.status,
        code=None if error is None else code_of(error),
        cause=None if error is None else _cause(error),
    )
    finished = response.with_headers(
        {
            **EVERY_RESPONSE,
            **cors_headers(request, allowed_origins),
            "x-request-id": trace.request_id,
        }
    )
    return finished.without_body() if request.method == "HEAD" else finished


def _cause(error: Exception) -> str | None:
    """What the log may say of an error beyond its code.

    A platform error's message is written by an adapter for the log. Any other unexpected one could
    quote the text it failed on, so only its class and place are told.
    """
    if isinstance(error, PlatformError):
        return str(error)
    if isinstance(error, CognateError):
        return None
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    module = trace.tb_frame.f_globals.get("__name__", "?")
    return f"{type(error).__name__} in {module}, line {trace.tb_lineno}"
