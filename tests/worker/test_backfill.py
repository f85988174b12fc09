"""Rows that were written behind the API are counted, found and embedded, in the Worker itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.worker.waiting import wait_for

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments
    from tests.worker.organization import Organization

COUNT = 250
"""More than two steps."""


def _import(instrumented: Instruments, organization: Organization, count: int) -> None:
    """Write claims behind the API."""
    rows = [{"id": f"c{number:03}", "content": f"Claim {number}"} for number in range(count)]
    instrumented.sql(
        "INSERT INTO claims (organization_id, id, content) "
        "SELECT ?1, value ->> 'id', value ->> 'content' FROM json_each(?2)",
        organization.demo.id,
        json.dumps(rows),
    )


def _coverage(organization: Organization) -> dict[str, Any]:
    tables = organization.get("/embeddings/coverage").json()["tables"]
    [claims] = [table for table in tables if table["name"] == "claims"]
    del claims["countedAt"]
    found: dict[str, Any] = claims
    return found


def _run(organization: Organization, **options: Any) -> dict[str, Any]:
    """Start a backfill and wait for its end and for that of its jobs."""
    answer = organization.post("/embeddings/backfill", {"table": "claims", **options})
    assert answer.status_code == 202, answer.text
    path = f"/embeddings/backfill/{answer.json()['backfillId']}"

    def ended() -> dict[str, Any] | None:
        backfill: dict[str, Any] = organization.get(path).json()
        return backfill if backfill["status"] != "running" else None

    backfill = wait_for(ended, "the end of the backfill")
    wait_for(lambda: _coverage(organization)["pending"] == 0, "the end of its jobs")
    return backfill


def test_rows_written_behind_the_api_are_embedded(instrumented: Instruments) -> None:
    """All of them and nobody else's; afterwards there is nothing to do."""
    organization = instrumented.organization("backfill-missing")
    other = instrumented.organization("backfill-missing-other")
    _import(instrumented, organization, COUNT)
    _import(instrumented, other, 3)
    counts = {"records": COUNT, "embedded": 0, "pending": 0, "failed": 0, "stale": 0}
    before = {"name": "claims", **counts, "missing": COUNT, "oldestPendingAgeSeconds": None}
    assert _coverage(organization) == before

    backfill = _run(organization)

    assert (backfill["status"], backfill["scanned"], backfill["queued"]) == ("done", COUNT, COUNT)
    assert _coverage(organization) == {**before, "embedded": COUNT, "missing": 0}
    found = organization.search("claimSimilarity", "Claim 137")
    assert (found["verdict"], found["results"][0]["id"]) == ("DUPLICATE", "c137")
    assert _coverage(other)["missing"] == 3
    assert _run(organization)["queued"] == 0
    assert _run(organization, only="stale")["queued"] == 0


def test_rows_changed_behind_the_api_are_embedded_again(instrumented: Instruments) -> None:
    """Only those; and one with an empty text is not missing."""
    organization = instrumented.organization("backfill-stale")
    _import(instrumented, organization, 20)
    _run(organization)
    instrumented.sql(
        "UPDATE claims SET content = CASE id WHEN 'c001' THEN 'Words of another kind' ELSE '' END "
        "WHERE organization_id = ?1 AND id IN ('c001', 'c002')",
        organization.demo.id,
    )

    assert _run(organization, only="stale")["queued"] == 2

    assert _coverage(organization)["embedded"] == 20
    found = organization.search("claimSimilarity", "Words of another kind")
    assert (found["verdict"], found["results"][0]["id"]) == ("DUPLICATE", "c001")
    assert _run(organization, only="missing")["queued"] == 0


def test_a_step_whose_message_is_lost_is_taken_later(instrumented: Instruments) -> None:
    """The queue did not take it; the sweeper sends it when it is overdue."""
    organization = instrumented.organization("backfill-lost")
    _import(instrumented, organization, 3)
    answer = organization.post("/embeddings/backfill", {"table": "claims", "rate": 1}).json()
    wait_for(lambda: _coverage(organization)["missing"] < 3, "the first step")
    # The next step would come in a minute; say that its message was due long ago.
    instrumented.sql(
        "UPDATE cognate_backfills SET due_at = '', rate = NULL WHERE id = ?1",
        answer["backfillId"],
    )

    instrumented.sweep()

    wait_for(lambda: _coverage(organization)["embedded"] == 3, "all records")
