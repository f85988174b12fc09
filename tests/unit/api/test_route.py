"""A handler gets what its route declares, or a mistake is loud."""

from __future__ import annotations

import pytest

from cognate.api.http import Request
from cognate.api.route import Call
from cognate.api.routes.embeddings import PostEmbedding
from cognate.api.routes.similarity import SearchRequest
from tests.unit.api.stage import SCHEMA, Stage


def call(stage: Stage) -> Call:
    """A call without a caller and with a body of one kind."""
    request = Request("POST", "https://api.example.com", "/")
    return Call(SCHEMA, stage.platform, request, {}, parsed=SearchRequest(query="x"))


def test_a_body_is_of_the_declared_model(stage: Stage) -> None:
    """Asking for another is a mistake in the list of routes."""
    assert call(stage).body(SearchRequest).query == "x"
    with pytest.raises(RuntimeError, match="does not declare PostEmbedding"):
        call(stage).body(PostEmbedding)


def test_a_public_route_has_no_organization(stage: Stage) -> None:
    """It cannot act for one by accident: there is no default."""
    with pytest.raises(RuntimeError, match="no principal"):
        _ = call(stage).organization_id
