"""Routes: what they declare, what their handlers get, and how a path finds its route.

In a path a literal segment goes before a parameter. A trailing slash makes another path. Segments
are split before they are decoded, so an encoded slash belongs to a parameter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from urllib.parse import unquote

from pydantic import ValidationError

from cognate.api.refusals import MethodNotAllowed
from cognate.api.wire import AnswerModel, QueryModel, RequestModel
from cognate.errors import FieldError, InvalidInput, NotFound
from cognate.validation import MAX_POINTER_NAME, MAX_REPORTED_ERRORS, invalid_input, json_names

if TYPE_CHECKING:
    from cognate.api.http import Request
    from cognate.errors import ConfigurationError
    from cognate.ports import Platform
    from cognate.principal import OrganizationId, Principal
    from cognate.schema import Cognate

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_PARAMETER: Final = "{}"
"""A parameter in the shape of a path."""

M = TypeVar("M", bound=RequestModel)
Q = TypeVar("Q", bound=QueryModel)


@dataclass(frozen=True)
class Call:
    """One request to a route: routed, authenticated and parsed.

    Attributes:
        app: the definitions.
        platform: the ports.
        request: as it arrived.
        parameters: the parameters of the path, decoded.
        caller: None on a public route.
        parsed: the body; None if the route declares none.
        parsed_query: the query string; None if the route declares none.
        request_id: names the request in logs and problems.
        broken: settings that cannot be read and bindings that are missing. Empty for a route that
            needs a complete deployment.
    """

    app: Cognate
    platform: Platform
    request: Request
    parameters: Mapping[str, str]
    caller: Principal | None = None
    parsed: RequestModel | None = None
    parsed_query: QueryModel | None = None
    request_id: str = ""
    broken: Sequence[ConfigurationError] = ()

    @property
    def principal(self) -> Principal:
        """The authenticated caller.

        Raises:
            RuntimeError: the route is public, so it has none.
        """
        if self.caller is None:
            message = "a public route has no principal"
            raise RuntimeError(message)
        return self.caller

    @property
    def organization_id(self) -> OrganizationId:
        """The organization that the caller acts for."""
        return self.principal.organization_id

    def body(self, model: type[M]) -> M:
        """The parsed body.

        Raises:
            RuntimeError: the route declares another model.
        """
        if not isinstance(self.parsed, model):
            message = f"the route does not declare {model.__name__} as its request"
            raise RuntimeError(message)  # noqa: TRY004 - a mistake in the routes, not a bad value
        return self.parsed

    def query(self, model: type[Q]) -> Q:
        """The parsed query string.

        Raises:
            RuntimeError: the route declares another model.
        """
        if not isinstance(self.parsed_query, model):
            message = f"the route does not declare {model.__name__} as its query"
            raise RuntimeError(message)  # noqa: TRY004 - a mistake in the routes, not a bad value
        return self.parsed_query


@dataclass(frozen=True)
class Reply:
    """An answer with headers or a status of its own.

    Attributes:
        answer: read by the route's response model; None for a response without a body.
        status: None for the route's status.
    """

    answer: object | None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


Handler = Callable[[Call], Awaitable[object]]
"""Answers a call with a `Reply`, or with a value that the route's response model reads."""


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        path: a template, such as `/api/v1/embeddings/jobs/{jobId}`. A parameter is one segment.
        name: unique; used in logs and in the OpenAPI document.
        summary: one sentence for the OpenAPI document.
        handler: translates the call for one function of the core.
        response: the model of a successful answer. It reads what the handler returns.
        request: the model of the body; None if the body is ignored.
        query: the model of the query string; None if it is ignored.
        status: the status of a successful answer.
        public: needs no credential.
        answers_if_broken: answers also if a setting cannot be read or a binding is missing. A
            public route always does.
    """

    method: Method
    path: str
    name: str
    summary: str
    handler: Handler
    response: type[AnswerModel]
    request: type[RequestModel] | None = None
    query: type[QueryModel] | None = None
    status: int = 200
    public: bool = False
    answers_if_broken: bool = False

    def to_json(self, answer: object) -> bytes:
        """Return an answer of the handler as JSON in UTF-8."""
        return self.response.model_validate(answer).model_dump_json().encode()


class Router:
    """Finds the route of a method and a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Sort the routes, literal segments before parameters.

        Raises:
            ValueError: two routes have the same name, or the same method and shape.
        """
        shapes: dict[tuple[str, ...], dict[str, Route]] = {}
        names: set[str] = set()
        for route in routes:
            routes_of_shape = shapes.setdefault(_shape(route.path), {})
            if route.method in routes_of_shape or route.name in names:
                message = f"another route has the name {route.name} or its method and path"
                raise ValueError(message)
            routes_of_shape[route.method] = route
            names.add(route.name)
        self._shapes = sorted(shapes.items(), key=lambda item: [s == _PARAMETER for s in item[0]])

    def methods(self, path: str) -> tuple[str, ...]:
        """Return all methods that a percent-encoded path answers, sorted.

        Raises:
            NotFound: there is no such path.
        """
        routes, _ = self._find(path)
        return _methods(routes)

    def route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route of a percent-encoded path, and the parameters of the path, decoded.

        HEAD is answered by the route of GET.

        Raises:
            NotFound: there is no such path.
            MethodNotAllowed: the path has other methods.
        """
        routes, values = self._find(path)
        route = routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise MethodNotAllowed(_methods(routes))
        names = [name.strip("{}") for name in route.path.split("/") if name.startswith("{")]
        return route, dict(zip(names, values, strict=True))

    def _find(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]]:
        segments = path.split("/")
        for shape, routes in self._shapes:
            if _matches(shape, segments):
                values = _values(shape, segments)
                if values is not None:
                    return routes, values
        what, message = "route", "There is no such path in this API."
        raise NotFound(what, message)


def parse_request(model: type[M], value: Mapping[str, object]) -> M:
    """Parse a JSON object.

    Raises:
        InvalidInput: the object breaks rules of the model. The error has a JSON pointer and a
            sentence for each of the first 20.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid_input(error, fields=json_names(model)) from None


def parse_parameters(model: type[Q], query: Mapping[str, Sequence[str]]) -> Q:
    """Parse the parameters of a query string. Each may be given once.

    Raises:
        InvalidInput: the parameters break rules of the model. The error has `?name` and a sentence
            for each of the first 20.
    """
    repeated = [
        FieldError(_pointer(name), "must be given once")
        for name, values in query.items()
        if len(values) > 1
    ]
    if repeated:
        raise InvalidInput(*repeated[:MAX_REPORTED_ERRORS])
    try:
        return model.model_validate({name: values[0] for name, values in query.items()})
    except ValidationError as error:
        fields = invalid_input(error).fields
        raise InvalidInput(
            *(FieldError(_pointer(field.pointer[1:]), field.message) for field in fields)
        ) from None


def _pointer(name: str) -> str:
    # A long name is the caller's own text, so it is not repeated.
    return f"?{name}" if len(name) <= MAX_POINTER_NAME else "?"


def _methods(routes: Mapping[str, Route]) -> tuple[str, ...]:
    implied = {"OPTIONS", "HEAD"} if "GET" in routes else {"OPTIONS"}
    return tuple(sorted(implied.union(routes)))


def _shape(path: str) -> tuple[str, ...]:
    return tuple(_PARAMETER if segment.startswith("{") else segment for segment in path.split("/"))


def _matches(shape: tuple[str, ...], segments: list[str]) -> bool:
    return len(shape) == len(segments) and all(
        bool(segment) if expected == _PARAMETER else segment == expected
        for expected, segment in zip(shape, segments, strict=True)
    )


def _values(shape: tuple[str, ...], segments: list[str]) -> tuple[str, ...] | None:
    """Decode the segments of the parameters. None if one of them is not UTF-8."""
    try:
        return tuple(
            unquote(segment, errors="strict")
            for expected, segment in zip(shape, segments, strict=True)
            if expected == _PARAMETER
        )
    except UnicodeDecodeError:
        return None
