"""The health and readiness routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.api.application import Application
from cognate.errors import ConfigurationError
from cognate.models import INDEX_BINDINGS
from cognate.schema import Cognate
from cognate.settings import ALLOWED_ORIGINS, Settings
from tests.stage.platform import claims

if TYPE_CHECKING:
    from tests.stage.http import ApiStage as Stage

READY = "/api/v1/ready"


async def test_health_is_public(stage: Stage) -> None:
    """Health answers without a credential, a secret or a call of any service."""
    stage.settings = Settings()
    stage.database.is_away = True

    answer = await stage.ask("GET", "/healthz", headers={})

    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_a_complete_deployment_is_ready(stage: Stage) -> None:
    """A complete deployment lacks nothing."""
    stage.application = Application(Cognate(tables=[claims]))
    stage.indexes |= dict.fromkeys(INDEX_BINDINGS.values(), stage.index)

    answer = await stage.ask("GET", READY)

    assert (answer.status, answer.json) == (200, {"ready": True, "missing": []})


async def test_each_missing_part_is_named_with_what_to_do(stage: Stage) -> None:
    """Each missing binding, setting, index, table and column is named, with status 503."""
    stage.broken = [
        ConfigurationError("EMBEDDINGS_QUEUE", "The binding is missing."),
        ConfigurationError(ALLOWED_ORIGINS, "It cannot be meant."),
    ]
    stage.database.change("ALTER TABLE claims DROP COLUMN embedding")

    answer = await stage.ask("GET", READY)

    assert (answer.status, answer.json["ready"]) == (503, False)
    assert [(part["kind"], part["name"]) for part in answer.json["missing"]] == [
        ("binding", "EMBEDDINGS_QUEUE"),
        ("setting", "ALLOWED_ORIGINS"),
        ("binding", "VECTORIZE_384"),
        ("binding", "VECTORIZE_1024"),
        ("column", "claims.embedding"),
        ("table", "notes"),
    ]
    assert all(part["message"].endswith(".") for part in answer.json["missing"])


async def test_without_its_database_the_other_parts_are_named(stage: Stage) -> None:
    """Without the database the other missing parts are named."""
    stage.broken = [ConfigurationError("DB", "The binding DB is missing.")]

    answer = await stage.ask("GET", READY)

    assert "DB" in [part["name"] for part in answer.json["missing"]]
    assert "table" not in [part["kind"] for part in answer.json["missing"]]


async def test_readiness_is_for_members_only(stage: Stage) -> None:
    """Readiness needs a credential, because it describes the deployment."""
    stage.broken = [ConfigurationError("S", "S is wrong")]

    assert (await stage.ask("GET", READY, headers={})).status == 401


async def test_the_routes_of_a_missing_table_name_it(stage: Stage) -> None:
    """Each route of a missing table names it, and sends no Retry-After."""
    stage.database.change("DROP TABLE claims")
    for method, path, body in (
        ("GET", "/claims", None),
        ("GET", "/claims/c1", None),
        ("POST", "/claims", {"content": "x"}),
        ("PATCH", "/claims/c1", {"content": "x"}),
        ("DELETE", "/claims/c1", None),
        ("POST", "/claims/batch", {"operations": [{"operation": "delete", "id": "c1"}]}),
        ("POST", "/embeddings", {"content": "x", "table": "claims", "id": "c1"}),
        ("POST", "/embeddings/backfill", {"table": "claims"}),
        ("POST", "/similarity/claimSimilarity/search", {"query": "x"}),
        ("POST", "/similarity/claimSimilarity/gray-zone", {"query": "x"}),
        ("POST", "/vectors/query", {"query": "x", "table": "claims"}),
    ):
        answer = await stage.ask(method, f"/api/v1{path}", body)

        assert (answer.status, answer.code) == (500, "TABLE_MISSING"), path
        assert "'claims': apply the migration" in answer.json["detail"]
        assert "retry-after" not in answer.headers


async def test_a_missing_table_of_better_auth_is_named_too(stage: Stage) -> None:
    """Each route names a missing table of Better Auth."""
    stage.database.change("DROP TABLE session")

    answer = await stage.ask("GET", READY)

    assert (answer.status, answer.code) == (503, "CONFIGURATION_MISSING")
    assert "session" in answer.json["detail"]
