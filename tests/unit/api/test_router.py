"""From a path to its route."""

from __future__ import annotations

import pytest

from cognate.api.refusals import MethodNotAllowed
from cognate.api.route import Method, Route
from cognate.api.router import Router
from cognate.api.routes.health import Health, get_health
from cognate.errors import NotFound


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
    endpoint = ROUTER.find(path)

    found = endpoint.route("GET")
    assert found.path == template
    assert endpoint.parameters_of(found) == parameters


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
        ROUTER.find(path)
    assert caught.value.code == "ROUTE_NOT_FOUND"


def test_head_is_get() -> None:
    """Wherever there is GET."""
    assert ROUTER.find("/api/tables").route("HEAD").method == "GET"


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
    endpoint = ROUTER.find(path)

    assert endpoint.methods == methods
    with pytest.raises(MethodNotAllowed) as caught:
        endpoint.route("PATCH")
    assert caught.value.allowed == methods


def test_parameters_have_the_names_of_the_route_that_was_asked() -> None:
    """Two routes of one shape may call them differently."""
    endpoint = ROUTER.find("/api/claims/1")

    assert endpoint.parameters_of(endpoint.route("DELETE")) == {"name": "claims", "key": "1"}


def test_two_routes_of_one_shape_and_method_are_a_mistake() -> None:
    """The second one would never be reached."""
    with pytest.raises(ValueError, match="another route"):
        Router([route("GET", "/api/{a}"), route("GET", "/api/{b}")])
