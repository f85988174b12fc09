"""The coverage route."""

from __future__ import annotations

from cognate.api.application import Application
from cognate.schema import Cognate, Embeddings, Record, Table
from tests.stage.http import BOB
from tests.stage.http import ApiStage as Stage
from tests.stage.platform import claims


class Pet(Record):
    """A table that no migration creates."""

    name: str


pets = Table("pets", Pet, embeddings=Embeddings(fields=["name"]))

COVERAGE = "/api/v1/embeddings/coverage"


async def test_the_records_of_each_table_are_counted(stage: Stage) -> None:
    """Coverage counts the records of the caller's organization, by table with embeddings."""
    stage.add_claim("org_acme", "c1")
    stage.add_embedded_claim("org_acme", "c2", 1)
    stage.add_claim("org_acme", "c3")
    stage.add_claim("org_globex", "c1")
    await stage.ask("POST", "/api/v1/embeddings", {"content": "x", "table": "claims", "id": "c3"})

    answer = await stage.ask("GET", COVERAGE)

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
                "countedAt": "2026-11-20T12:00:00.000Z",
            }
        ]
    }
    [theirs] = (await stage.ask("GET", COVERAGE, headers=BOB)).json["tables"]
    assert (theirs["records"], theirs["missing"]) == (1, 1)
    assert theirs["oldestPendingAgeSeconds"] is None


async def test_a_table_that_is_not_migrated_is_named_beside_the_others(stage: Stage) -> None:
    """A missing table is reported with what to do, and the other tables are counted."""
    stage.application = Application(Cognate(tables=[claims, pets]))
    stage.add_claim("org_acme", "c1")

    answer = await stage.ask("GET", COVERAGE)

    assert answer.status == 200
    assert [(table["name"], table["records"]) for table in answer.json["tables"]] == [("claims", 1)]
    assert answer.json["uncounted"] == [
        {
            "name": "pets",
            "code": "TABLE_MISSING",
            "message": "The database has no table 'pets': apply the migration that makes it.",
        }
    ]
