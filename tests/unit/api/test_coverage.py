"""Coverage over HTTP."""

from __future__ import annotations

from tests.unit.api.stage import BOB, Stage

COVERAGE = "/api/v1/embeddings/coverage"


def test_the_records_of_each_table_are_counted(stage: Stage) -> None:
    """Of the caller's organization, and of tables that embed something."""
    stage.add_claim("org_acme", "c1")
    stage.add_embedded_claim("org_acme", "c2", 1)
    stage.add_claim("org_acme", "c3")
    stage.add_claim("org_globex", "c1")
    stage.ask("POST", "/api/v1/embeddings", {"content": "x", "table": "claims", "id": "c3"})

    answer = stage.ask("GET", COVERAGE)

    assert answer.status == 200
    assert answer.json == {
        "tables": [
            {
                "name": "claims",
                "records": 3,
                "embedded": 1,
                "pending": 1,
                "failed": 0,
                "stale": 0,
                "missing": 1,
                "oldestPendingAgeSeconds": 0,
            }
        ]
    }
    [theirs] = stage.ask("GET", COVERAGE, headers=BOB).json["tables"]
    assert (theirs["records"], theirs["missing"]) == (1, 1)
    assert theirs["oldestPendingAgeSeconds"] is None
