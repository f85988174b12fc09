"""The list of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.api.routes import ROUTES

if TYPE_CHECKING:
    from cognate.api.routing import Route
    from tests.stage.http import ApiStage as Stage


def test_the_routes_of_this_version() -> None:
    """No route is added or removed by accident."""
    assert sorted(f"{route.method} {route.path}" for route in ROUTES) == [
        "DELETE /api/v1/embeddings/texts/{jobId}",
        "DELETE /api/v1/{table}/{id}",
        "GET /api/v1/embeddings/backfill",
        "GET /api/v1/embeddings/backfill/{backfillId}",
        "GET /api/v1/embeddings/coverage",
        "GET /api/v1/embeddings/jobs",
        "GET /api/v1/embeddings/jobs/{jobId}",
        "GET /api/v1/embeddings/tables",
        "GET /api/v1/embeddings/texts/{jobId}",
        "GET /api/v1/ready",
        "GET /api/v1/similarity",
        "GET /api/v1/{table}",
        "GET /api/v1/{table}/{id}",
        "GET /healthz",
        "PATCH /api/v1/{table}/{id}",
        "POST /api/v1/embeddings",
        "POST /api/v1/embeddings/backfill",
        "POST /api/v1/embeddings/backfill/{backfillId}/cancel",
        "POST /api/v1/embeddings/batch",
        "POST /api/v1/embeddings/jobs/dismiss",
        "POST /api/v1/embeddings/jobs/retry",
        "POST /api/v1/embeddings/jobs/{jobId}/dismiss",
        "POST /api/v1/embeddings/jobs/{jobId}/retry",
        "POST /api/v1/embeddings/run",
        "POST /api/v1/similarity/{service}/embed",
        "POST /api/v1/similarity/{service}/gray-zone",
        "POST /api/v1/similarity/{service}/search",
        "POST /api/v1/vectors/query",
        "POST /api/v1/{table}",
        "POST /api/v1/{table}/batch",
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_route_can_be_documented(route: Route) -> None:
    """A route has a summary and models with a JSON schema, and a body only if it can use one."""
    assert route.summary.endswith(".")
    assert "\n" not in route.summary
    schema = route.response.model_json_schema(by_alias=True, mode="serialization")
    assert schema["type"] == "object"
    # The contract has these two names in snake_case.
    names = set(schema["properties"]) - {"high_confidence", "gray_zone"}
    assert [name for name in names if "_" in name] == []
    # A route that names a job or a backfill in its path needs no body.
    takes_body = route.method in {"POST", "PATCH"} and "Id}/" not in route.path
    assert (route.request is not None) is takes_body
    # The fields of a record depend on its table. All other bodies are closed.
    if route.request is not None and "{table}" not in route.path:
        assert route.request.model_json_schema(by_alias=True)["additionalProperties"] is False


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_each_route_needs_a_credential_unless_it_is_public(
    stage: Stage, route: Route
) -> None:
    """Only health is public."""
    path = route.path.replace("{service}", "claimSimilarity")
    path = path.replace("{jobId}", "j").replace("{backfillId}", "b")

    answer = await stage.ask(route.method, path, headers={})

    assert route.public is (route.name == "health.get")
    assert answer.status == (200 if route.public else 401)
