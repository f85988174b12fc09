"""Handle one HTTP request: route it, authenticate the caller, parse the body, call the handler.

Refusals have a fixed order, so that none tells a caller more than they may know. An unknown path
and a wrong method come first, because paths are public. Then come a broken deployment, the
credential, the origin and the organization. Only a member's body is read.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.api.http import Response, cors_headers, options_response, refuse_foreign_origin
from cognate.api.problems import code_of, problem_response
from cognate.api.routes import ROUTES
from cognate.api.routing import Call, Reply, Router, parse_parameters, parse_request
from cognate.auth.sessions import authenticate, credential_from
from cognate.errors import CognateError, PlatformError
from cognate.events import emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cognate.api.http import Request
    from cognate.api.routing import Route
    from cognate.errors import ConfigurationError
    from cognate.ports import Platform
    from cognate.principal import Principal
    from cognate.schema import Cognate
    from cognate.settings import Settings

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An incoming request id that is safe in logs and headers."""

CONTENT_TYPE: Final = "application/json"
EVERY_RESPONSE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


@dataclass
class _Trace:
    """The fields of the log event of one request."""

    request_id: str
    route: str | None = None
    organization_id: str | None = None
    error: Exception | None = None


class Application:
    """The HTTP API of one schema. It keeps no state between requests."""

    def __init__(self, app: Cognate, routes: Iterable[Route] = ROUTES) -> None:
        """Make the router. A test may pass routes of its own."""
        self._app = app
        self._router = Router(routes)

    async def handle(
        self,
        request: Request,
        platform: Platform,
        settings: Settings,
        broken: Sequence[ConfigurationError] = (),
    ) -> Response:
        """Answer a request, and log one event. Every error is answered; none is raised.

        Args:
            request: as it arrived.
            platform: the ports. A port whose binding is missing raises when it is used.
            settings: with defaults in place of those that cannot be read.
            broken: the settings that cannot be read and the bindings that are missing. If there are
                any, most routes answer the first one as a problem.
        """
        trace = _Trace(_request_id(request))
        try:
            response = await self._answer(request, platform, settings, broken, trace)
        except Exception as error:  # noqa: BLE001 - the outermost edge, where any error is a 500
            trace.error = error
            response = problem_response(error, path=request.path, request_id=trace.request_id)
        _log(request, response, trace)
        headers = {
            **response.headers,
            **EVERY_RESPONSE,
            **cors_headers(request, settings.allowed_origins),
            "x-request-id": trace.request_id,
        }
        body = b"" if request.method == "HEAD" else response.body
        return Response(response.status, headers, body)

    async def _answer(
        self,
        request: Request,
        platform: Platform,
        settings: Settings,
        broken: Sequence[ConfigurationError],
        trace: _Trace,
    ) -> Response:
        if request.method == "OPTIONS":
            methods = self._router.methods(request.path)
            return options_response(request, methods, settings.allowed_origins)
        route, parameters = self._router.route(request.method, request.path)
        trace.route = route.name
        if broken and not (route.public or route.answers_if_broken):
            raise broken[0]
        caller = None
        if not route.public:
            caller = await _authenticate(request, platform, settings)
            trace.organization_id = caller.organization_id
        query = None if route.query is None else parse_parameters(route.query, request.query)
        body = None
        if route.request is not None:
            body = parse_request(route.request, await request.json_object())
        call = Call(
            self._app,
            platform,
            request,
            parameters,
            caller,
            body,
            query,
            trace.request_id,
            broken,
        )
        answer = await route.handler(call)
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        status = reply.status or route.status
        if reply.answer is None:
            return Response(status, reply.headers)
        headers = {"content-type": CONTENT_TYPE, **reply.headers}
        return Response(status, headers, route.to_json(reply.answer))


async def _authenticate(request: Request, platform: Platform, settings: Settings) -> Principal:
    credential = credential_from(request.headers, settings.auth_secret)
    refuse_foreign_origin(request, credential, settings.allowed_origins)
    return await authenticate(
        credential, platform.auth_database, platform.clock, settings.auth_naming
    )


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def _log(request: Request, response: Response, trace: _Trace) -> None:
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


def _cause(error: Exception) -> str | None:
    """Describe an error for the log, beyond its code.

    An adapter writes the message of a platform error for the log. The message of any other
    unexpected error may quote a text, so only its class and position are logged.
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
