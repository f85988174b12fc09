"""A deployment that lacks something: health answers, and readiness names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments

READY = "/api/v1/ready"


def _ask(
    instrumented: Instruments,
    path: str,
    *without: str,
    token: str = "",
    **variables: str,
) -> tuple[int, Any]:
    asked = {
        "path": path,
        "without": without,
        "variables": variables,
        "headers": {"authorization": f"Bearer {token}"} if token else {},
    }
    answer = instrumented.ask("broken", asked)
    return answer["status"], answer["body"]


def test_the_deployed_schema_is_ready(instrumented: Instruments) -> None:
    """D1 answers which tables and columns there are."""
    organization = instrumented.organization("ready")

    answer = organization.get("/ready")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": []})


@pytest.mark.parametrize("missing", ["DB", "AI", "EMBEDDINGS_QUEUE", "VECTORIZE"])
def test_health_answers_without_a_binding(instrumented: Instruments, missing: str) -> None:
    """Also without the one that everything else needs."""
    assert _ask(instrumented, "/healthz", missing) == (200, {"status": "ok"})


def test_health_answers_beside_a_setting_that_cannot_be_meant(instrumented: Instruments) -> None:
    """Every other route names the setting."""
    assert _ask(instrumented, "/healthz", ALLOWED_ORIGINS="*")[0] == 200
    status, problem = _ask(instrumented, "/api/v1/similarity", ALLOWED_ORIGINS="*")
    assert (status, problem["code"]) == (503, "CONFIGURATION_MISSING")
    assert "ALLOWED_ORIGINS" in problem["detail"]


@pytest.mark.parametrize("missing", ["AI", "EMBEDDINGS_QUEUE", "VECTORIZE_384"])
def test_readiness_names_a_missing_binding(instrumented: Instruments, missing: str) -> None:
    """To a member of an organization."""
    token = instrumented.organization("ready").demo.session_token

    status, answer = _ask(instrumented, READY, missing, token=token, JOB_RETENTION_DAYS="x")

    assert (status, answer["ready"]) == (503, False)
    assert sorted(part["name"] for part in answer["missing"]) == sorted(
        [missing, "JOB_RETENTION_DAYS"]
    )


def test_without_its_database_nobody_can_be_known(instrumented: Instruments) -> None:
    """So readiness is a problem that names the binding."""
    status, problem = _ask(instrumented, READY, "DB", token="any")

    assert (status, problem["code"]) == (503, "CONFIGURATION_MISSING")
    assert "DB" in problem["detail"]


@pytest.mark.parametrize("missing", ["DB", "AI", "EMBEDDINGS_QUEUE"])
def test_the_sweeper_does_nothing_without_a_binding(
    instrumented: Instruments, missing: str
) -> None:
    """It fails with the binding's name, for whoever watches the cron trigger."""
    answer = instrumented.ask("sweeper", {"without": [missing]})

    assert answer["error"] == "ConfigurationError"
    assert missing in answer["message"]
