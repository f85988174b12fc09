"""Routes are found by path, and handlers get what their routes declare."""

from __future__ import annotations

import pytest

from cognate.api.http import Request
from cognate.api.refusals import MethodNotAllowed
from cognate.api.routes.embeddings import PostEmbedding
from cognate.api.routes.health import Health, get_health
from cognate.api.routes.similarity import SearchRequest
from cognate.api.routing import Call, Method, Route, Router, parse_parameters
from cognate.api.wire import DEFAULT_PAGE_ITEMS, PageQuery, QueryModel
from cognate.errors import InvalidInput, NotFound
from tests.stage.http import SCHEMA
from tests.stage.http import ApiStage as Stage


def route(method: Method, path: str) -> Route:
    """Makes a route that is named after its method and path."""
    return Route(method, path, f"{method} {path}", "A route.", get_health, Health)


ROUTER = Router(
    [
        route("GET", "/api/{table}"),
        route("POST", "/api/{table}"),
        route("GET", "/api/{table}/{id}"),
        route("DELETE", "/api/{name}/{key}"),
        route("GET", "/api/tables"),
        route("POST", "/api/similarity/{service}/gray-zone"),
        route("GET", "/"),
    ]
)


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/", "/", {}),
        ("/api/tables", "/api/tables", {}),
        ("/api/claims", "/api/{table}", {"table": "claims"}),
        ("/api/claims/1", "/api/{table}/{id}", {"table": "claims", "id": "1"}),
        ("/api/tables/1", "/api/{table}/{id}", {"table": "tables", "id": "1"}),
        (
            "/api/claims/a%2Fb%20%C3%A9",
            "/api/{table}/{id}",
            {"table": "claims", "id": "a/b \u00e9"},
        ),
        ("/api/claims/%252F", "/api/{table}/{id}", {"table": "claims", "id": "%2F"}),
        ("/api/claims/a+b", "/api/{table}/{id}", {"table": "claims", "id": "a+b"}),
        ("/api/claims/..", "/api/{table}/{id}", {"table": "claims", "id": ".."}),
    ],
)
def test_finds_the_route(path: str, template: str, parameters: dict[str, str]) -> None:
    """A literal segment goes before a parameter, and a parameter is decoded once."""
    found, values = ROUTER.route("GET", path)

    assert found.path == template
    assert values == parameters


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/api",
        "/api/",
        "/api/tables/",
        "/api/claims/1/",
        "/api//1",
        "//",
        "/API/tables",
        "/api/claims/1/2",
        "/api/similarity/x/gray_zone",
        "/api/claims/%ff",
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    """A trailing slash, an empty segment, another case and invalid UTF-8 make another path."""
    with pytest.raises(NotFound) as caught:
        ROUTER.route("GET", path)
    assert caught.value.code == "ROUTE_NOT_FOUND"
    with pytest.raises(NotFound):
        ROUTER.methods(path)


def test_head_is_get() -> None:
    """HEAD finds the route of GET."""
    found, _ = ROUTER.route("HEAD", "/api/tables")

    assert found.method == "GET"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/claims", ("GET", "HEAD", "OPTIONS", "POST")),
        ("/api/tables", ("GET", "HEAD", "OPTIONS")),
        ("/api/similarity/x/gray-zone", ("OPTIONS", "POST")),
        ("/api/claims/1", ("DELETE", "GET", "HEAD", "OPTIONS")),
    ],
)
def test_another_method_is_not_allowed(path: str, methods: tuple[str, ...]) -> None:
    """The error has the methods of the path."""
    assert ROUTER.methods(path) == methods
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTER.route("PATCH", path)
    assert caught.value.allowed == methods


def test_parameters_have_the_names_of_the_route_that_was_asked() -> None:
    """Two methods of one path may name its parameters differently."""
    _, parameters = ROUTER.route("DELETE", "/api/claims/1")

    assert parameters == {"name": "claims", "key": "1"}


def test_two_routes_of_one_shape_and_method_are_a_mistake() -> None:
    """The router refuses a route that another one hides."""
    with pytest.raises(ValueError, match="another route"):
        Router([route("GET", "/api/{a}"), route("GET", "/api/{b}")])


def call(stage: Stage) -> Call:
    """Makes a call without a caller, with a body."""
    request = Request("POST", "https://api.example.com", "/")
    return Call(SCHEMA, stage.platform, request, {}, parsed=SearchRequest(query="x"))


def test_a_body_is_of_the_declared_model(stage: Stage) -> None:
    """A handler cannot read the body by another model."""
    assert call(stage).body(SearchRequest).query == "x"
    with pytest.raises(RuntimeError, match="does not declare PostEmbedding"):
        call(stage).body(PostEmbedding)


def test_parameters_are_of_the_declared_model(stage: Stage) -> None:
    """A handler cannot read a query that its route does not declare."""
    with pytest.raises(RuntimeError, match="does not declare PageQuery"):
        call(stage).query(PageQuery)


def test_a_public_route_has_no_organization(stage: Stage) -> None:
    """A public call has no principal and no default organization."""
    with pytest.raises(RuntimeError, match="no principal"):
        _ = call(stage).organization_id


class Search(QueryModel):
    """A query with a name of two words."""

    story_id: str | None = None


def _pointers(query: dict[str, list[str]]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_parameters(PageQuery, query)
    return [field.pointer for field in caught.value.fields]


def test_what_is_not_given_has_its_default() -> None:
    """A missing parameter has its default, and a given one becomes a number."""
    assert parse_parameters(PageQuery, {}) == PageQuery(limit=DEFAULT_PAGE_ITEMS, cursor=None)
    assert parse_parameters(PageQuery, {"limit": ["7"], "cursor": ["x"]}) == PageQuery(
        limit=7, cursor="x"
    )


def test_names_are_those_of_json() -> None:
    """Parameters have camelCase names only."""
    assert parse_parameters(Search, {"storyId": ["s"]}).story_id == "s"
    with pytest.raises(InvalidInput):
        parse_parameters(Search, {"story_id": ["s"]})


def test_each_parameter_is_given_once() -> None:
    """A repeated parameter is refused."""
    assert _pointers({"limit": ["1", "2"], "cursor": ["a", "a"]}) == ["?limit", "?cursor"]


def test_a_long_name_is_not_handed_back() -> None:
    """The pointer does not repeat a long unknown name."""
    assert _pointers({"x" * 65: ["1"]}) == ["?"]
    assert _pointers({"x" * 64: ["1"]}) == ["?" + "x" * 64]
