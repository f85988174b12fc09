"""Requests and responses as plain values."""

from __future__ import annotations

import pytest

from cognate.api.http import Headers, Request, Response


@pytest.mark.parametrize("name", ["X-Request-Id", "x-request-id", "X-REQUEST-ID"])
def test_a_header_is_found_in_any_case(name: str) -> None:
    """As HTTP has it."""
    headers = Headers([("X-Request-Id", "1")])

    assert headers[name] == "1"
    assert name in headers
    assert list(headers) == ["x-request-id"]


def test_a_repeated_header_is_joined() -> None:
    """Cookies by their own separator."""
    headers = Headers([("Accept", "a"), ("accept", "b"), ("Cookie", "c=1"), ("cookie", "d=2")])

    assert dict(headers) == {"accept": "a, b", "cookie": "c=1; d=2"}


def test_a_request_is_made_of_a_url() -> None:
    """The path stays encoded; the query is decoded and keeps every value."""
    request = Request.of("post", "https://API.example.com:8443/a%2Fb/?x=1&x=%C3%A9&y=&z")

    assert request.method == "POST"
    assert request.origin == "https://api.example.com:8443"
    assert request.path == "/a%2Fb/"
    assert request.query == {"x": ["1", "\u00e9"], "y": [""], "z": [""]}


def test_a_url_without_a_path_asks_for_the_root() -> None:
    """Its path is one slash."""
    assert Request.of("GET", "https://api.example.com").path == "/"


def test_more_headers_replace_those_there_are() -> None:
    """And the response itself does not change."""
    response = Response(200, {"a": "1", "b": "2"}, b"body")

    assert response.with_headers({"b": "3"}) == Response(200, {"a": "1", "b": "3"}, b"body")
    assert response.without_body() == Response(200, {"a": "1", "b": "2"})
