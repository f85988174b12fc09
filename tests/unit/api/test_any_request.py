"""No request is answered by a 500."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cognate.api.routes import ROUTES
from tests.stage.http import ADA
from tests.stage.http import ApiStage as Stage

if TYPE_CHECKING:
    from cognate.api.routing import Route

NAMES = st.sampled_from(
    [
        "content",
        "table",
        "id",
        "model",
        "query",
        "vector",
        "limit",
        "threshold",
        "filter",
        "topK",
        "min",
        "max",
        "returnMetadata",
        "storyId",
        "$eq",
        "$in",
        "",
        "a/b",
    ]
)
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["claims", "notes", "c1", "text", "", "\x00", "@cf/baai/bge-m3"])
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
POSTS = [route for route in ROUTES if route.method == "POST"]


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.name)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.dictionaries(NAMES, VALUES, max_size=5))
async def test_any_object_is_taken_or_refused(
    stage: Stage, route: Route, body: dict[str, Any]
) -> None:
    """A JSON object with any names, types and depth is accepted or refused."""
    answer = await stage.ask("POST", route.path.replace("{service}", "claimSimilarity"), body)

    assert answer.status in {200, 202, 207, 400, 404, 409, 422}, answer.json


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    raw=st.binary(min_size=1, max_size=60) | VALUES.map(lambda value: json.dumps(value).encode())
)
async def test_any_bytes_are_refused(stage: Stage, raw: bytes) -> None:
    """A body of any bytes is refused or accepted."""
    answer = await stage.ask("POST", POSTS[0].path, headers=ADA, raw=raw)

    assert answer.status in {202, 400, 404, 422}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.text("/aA1.%2fF~{}\u00e9 +", max_size=30), header=st.text(max_size=40))
async def test_any_path_and_credential_are_refused(stage: Stage, path: str, header: str) -> None:
    """A path or credential of odd characters is refused."""
    job = f"/api/v1/embeddings/jobs/{path}"

    assert (await stage.ask("GET", f"/{path}", headers={"authorization": header})).status in {
        401,
        404,
    }
    assert (await stage.ask("GET", job, headers={"authorization": f"Bearer {header}"})).status in {
        401,
        404,
    }
    assert (await stage.ask("GET", job, headers={"cookie": header})).status in {401, 404}
    assert (await stage.ask("GET", job, headers=ADA)).status == 404
