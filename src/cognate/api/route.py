"""A route as a value, and the call that its handler is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cognate.api.wire import AnswerModel, M, RequestModel

if TYPE_CHECKING:
    from cognate.api.http import Request
    from cognate.api.queries import Q, QueryModel
    from cognate.errors import ConfigurationError
    from cognate.ports import Platform
    from cognate.principal import OrganizationId, Principal
    from cognate.schema import Cognate

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Call:
    """One request to a route, routed, authenticated and parsed.

    Attributes:
        app: the definitions.
        platform: the ports.
        request: as it came.
        parameters: of the path, decoded.
        request_id: names the request in logs and problems.
        broken: settings that cannot be read and bindings that are missing; only routes that
            answer all the same see any.
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
        """Who calls.

        Raises:
            RuntimeError: the route is public; it must not ask.
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
        """The parsed body, which is of the route's request model.

        Raises:
            RuntimeError: the route declares another model.
        """
        if not isinstance(self.parsed, model):
            message = f"the route does not declare {model.__name__} as its request"
            raise RuntimeError(message)  # noqa: TRY004 - a mistake of ours, not a bad value
        return self.parsed

    def query(self, model: type[Q]) -> Q:
        """The parsed query, which is of the route's query model.

        Raises:
            RuntimeError: the route declares another model.
        """
        if not isinstance(self.parsed_query, model):
            message = f"the route does not declare {model.__name__} as its query"
            raise RuntimeError(message)  # noqa: TRY004 - a mistake of ours, not a bad value
        return self.parsed_query


@dataclass(frozen=True)
class Reply:
    """An answer that says something in its headers or its status too.

    Attributes:
        answer: None for one without a body.
        status: where it is not the route's own.
    """

    answer: AnswerModel | None
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


Handler = Callable[[Call], Awaitable[AnswerModel | Reply]]


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        method: GET also answers HEAD.
        path: a template, such as `/api/v1/embeddings/jobs/{jobId}`; a name stands for one segment.
        name: unique, for logs and for the OpenAPI document.
        summary: one line that says what it is for.
        handler: parses nothing and decides nothing: it asks a use case and shapes the answer.
        response: the model of a successful answer.
        request: the model of the body; None where a body is ignored.
        query: the model of the query; None where it is ignored.
        status: of a successful answer.
        public: needs no credential.
        answers_if_broken: also answers when a setting cannot be read or a binding is missing; a
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
