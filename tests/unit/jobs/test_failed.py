"""Failed jobs: chosen by table and error code, and dismissed by their keys."""

from __future__ import annotations

import pytest

from cognate.jobs.failed import FailedJobs, dismiss_statement
from tests.stage.platform import ACME, GLOBEX, Stage


async def _stage() -> Stage:
    """Failed jobs of two tables, two codes and two organizations; one without a record."""
    stage = Stage()
    for number, (organization, scope, code) in enumerate(
        [(ACME, "claims", "A"), (ACME, "claims", "B"), (ACME, "", "A"), (GLOBEX, "claims", "A")]
    ):
        if scope:
            await stage.write(organization, f"r{number}", "a text")
        await stage.rows(
            "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, "
            "error_code, due_at, created_at, updated_at, completed_at) VALUES (?1, ?2, ?3, ?4, "
            "'test', 'failed', ?5, '', '', '', '')",
            *(f"f{number}", organization, scope, f"r{number}", code),
        )
    return stage


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (FailedJobs(ACME), ["f0", "f1", "f2"]),
        (FailedJobs(ACME, scope="claims"), ["f0", "f1"]),
        (FailedJobs(ACME, code="A"), ["f0", "f2"]),
        (FailedJobs(ACME, scope="claims", code="A"), ["f0"]),
        (FailedJobs(ACME, with_state=True), ["f0", "f1"]),
        (FailedJobs(GLOBEX), ["f3"]),
    ],
    ids=repr,
)
async def test_failed_jobs_are_chosen_and_counted(failed: FailedJobs, expected: list[str]) -> None:
    """The oldest first, in one organization."""
    stage = await _stage()
    rows, [count] = await stage.local.database.batch(
        [failed.oldest_statement(), failed.count_statement()]
    )

    assert [row["id"] for row in rows] == expected
    assert count["jobs"] == len(expected)


async def test_a_key_dismisses_a_failed_job_of_its_organization() -> None:
    """No other one, and none that has not failed."""
    stage = await _stage()
    open_job = await stage.write(ACME, "r0", "another text")
    keys = [("claims", "f0"), ("claims", "f3"), ("articles", "f1"), ("claims", open_job)]
    [rows] = await stage.local.database.batch(
        [dismiss_statement(ACME, keys, stage.local.clock.now())]
    )

    assert [row["id"] for row in rows] == ["f0"]
