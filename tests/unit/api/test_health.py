"""Whether the Worker answers at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.settings import Settings

if TYPE_CHECKING:
    from tests.unit.api.stage import Stage


def test_health_is_public(stage: Stage) -> None:
    """It asks nothing and nobody, not even for the secret."""
    stage.settings = Settings()
    stage.database.fails = True

    answer = stage.ask("GET", "/healthz", headers={})

    assert (answer.status, answer.json) == (200, {"status": "ok"})
