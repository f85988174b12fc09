"""Routes find their paths, and handlers get what their routes declare."""

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
    """A route that is named after itself."""
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
    """A literal segment goes before a parameter, which is decoded once."""
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
    """A slash at the end, an empty segment, other letters, bytes that are no UTF-8."""
    with pytest.raises(NotFound) as caught:
        ROUTER.route("GET", path)
    assert caught.value.code == "ROUTE_NOT_FOUND"
    with pytest.raises(NotFound):
        ROUTER.methods(path)


def test_head_is_get() -> None:
    """Wherever there is GET."""
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
    """And the path says which are."""
    assert ROUTER.methods(path) == methods
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTER.route("PATCH", path)
    assert caught.value.allowed == methods


def test_parameters_have_the_names_of_the_route_that_was_asked() -> None:
    """Two routes of one shape may call them differently."""
    _, parameters = ROUTER.route("DELETE", "/api/claims/1")

    assert parameters == {"name": "claims", "key": "1"}


def test_two_routes_of_one_shape_and_method_are_a_mistake() -> None:
    """The second one would never be reached."""
    with pytest.raises(ValueError, match="another route"):
        Router([route("GET", "/api/{a}"), route("GET", "/api/{b}")])


def call(stage: Stage) -> Call:
    """A call without a caller and with a body of one kind."""
    request = Request("POST", "https://api.example.com", "/")
    return Call(SCHEMA, stage.platform, request, {}, parsed=SearchRequest(query="x"))


def test_a_body_is_of_the_declared_model(stage: Stage) -> None:
    """Asking for another is a mistake in the list of routes."""
    assert call(stage).body(SearchRequest).query == "x"
    with pytest.raises(RuntimeError, match="does not declare PostEmbedding"):
        call(stage).body(PostEmbedding)


def test_parameters_are_of_the_declared_model(stage: Stage) -> None:
    """Asking where the route declares none is a mistake in the list of routes."""
    with pytest.raises(RuntimeError, match="does not declare PageQuery"):
        call(stage).query(PageQuery)


def test_a_public_route_has_no_organization(stage: Stage) -> None:
    """It cannot act for one by accident: there is no default."""
    with pytest.raises(RuntimeError, match="no principal"):
        _ = call(stage).organization_id


class Search(QueryModel):
    """A query of two words."""

    story_id: str | None = None


def _pointers(query: dict[str, list[str]]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse_parameters(PageQuery, query)
    return [field.pointer for field in caught.value.fields]


def test_what_is_not_given_has_its_default() -> None:
    """And what is given becomes a number."""
    assert parse_parameters(PageQuery, {}) == PageQuery(limit=DEFAULT_PAGE_ITEMS, cursor=None)
    assert parse_parameters(PageQuery, {"limit": ["7"], "cursor": ["x"]}) == PageQuery(
        limit=7, cursor="x"
    )


def test_names_are_those_of_json() -> None:
    """No others."""
    assert parse_parameters(Search, {"storyId": ["s"]}).story_id == "s"
    with pytest.raises(InvalidInput):
        parse_parameters(Search, {"story_id": ["s"]})


def test_each_parameter_is_given_once() -> None:
    """Which of two would be meant?"""
    assert _pointers({"limit": ["1", "2"], "cursor": ["a", "a"]}) == ["?limit", "?cursor"]


def test_a_long_name_is_not_handed_back() -> None:
    """It is the caller's own, whatever it is."""
    assert _pointers({"x" * 65: ["1"]}) == ["?"]
    assert _pointers({"x" * 64: ["1"]}) == ["?" + "x" * 64]
