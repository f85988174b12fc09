"""The look at organizations whose jobs wait is bounded, and every one of them has its turn."""

from __future__ import annotations

from cognate.jobs.overdue import MAX_HELPED, MAX_LOOKED_AT, MAX_SEARCHED, chosen
from tests.stage.platform import Stage
from tests.steps import steps_of


async def _waiting(stage: Stage, organizations: int, *, announced: bool) -> None:
    """Organizations of which each has one job that waits, and maybe one in the queue."""
    for number, status in enumerate(["0", "1"] if announced else ["0"]):
        await stage.rows(
            "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, "
            "announced, due_at, created_at, updated_at) WITH RECURSIVE n (i) AS (SELECT 1 "
            "UNION ALL SELECT i + 1 FROM n WHERE i < CAST(?1 AS INTEGER)) SELECT "
            "'job_' || ?2 || i, 'org_' || (100000 + i), 'claims', 'r' || ?2, 'write', 'queued', "
            "CAST(?3 AS INTEGER), '9999', '2026', '' FROM n",
            str(organizations),
            str(number),
            status,
        )


async def _let_out(stage: Stage) -> int:
    """Sweep once; how many of the waiting jobs are announced then."""
    await stage.sweep()
    [row] = await stage.rows(
        "SELECT COUNT(*) AS jobs FROM cognate_jobs WHERE announced = 1 AND record_id = 'r0'"
    )
    return int(row["jobs"])


async def _steps_of_a_sweep(organizations: int) -> int:
    """Count the steps of SQLite in a sweep over so many organizations that wait."""
    stage = Stage()
    await _waiting(stage, organizations, announced=True)
    return await steps_of(stage.local.database, stage.sweep)


async def test_the_work_of_a_run_is_bounded() -> None:
    """From the first thousands on, more organizations take no more steps of SQLite."""
    few = await _steps_of_a_sweep(MAX_SEARCHED)
    many = await _steps_of_a_sweep(5 * MAX_SEARCHED)
    assert many < 1.1 * few


async def test_one_behind_thousands_with_messages_has_its_turn() -> None:
    """Within as many runs as it takes to look at all of them."""
    stage = Stage()
    await _waiting(stage, 1200, announced=True)
    await stage.rows(
        "DELETE FROM cognate_jobs WHERE organization_id = 'org_101200' AND record_id = 'r1'"
    )
    assert [await _let_out(stage) for _ in range(3)] == [0, 0, 1]


async def test_nobody_starves_beside_many_that_need_help() -> None:
    """Each run helps the next ones, and then starts from the first again."""
    stage = Stage()
    await _waiting(stage, 1010, announced=False)
    found = [await _let_out(stage) for _ in range(51)]
    assert found[:3] == [MAX_HELPED, 2 * MAX_HELPED, 3 * MAX_HELPED]
    assert found[-1] == 1010


async def test_those_that_were_helped_come_after_the_others() -> None:
    """Though their new jobs wait as well."""
    second = [f"org_{100000 + number}" for number in range(MAX_HELPED + 1, 2 * MAX_HELPED + 1)]
    stage = Stage()
    await _waiting(stage, 2 * MAX_HELPED, announced=False)
    await stage.sweep()
    await stage.rows("UPDATE cognate_jobs SET announced = 0")
    await stage.sweep()
    rows = await stage.rows(
        "SELECT organization_id FROM cognate_jobs WHERE announced = 1 ORDER BY id"
    )
    assert sorted([row["organization_id"] for row in rows]) == second


async def test_the_cursor_is_written_only_where_it_moves() -> None:
    """A quiet system writes nothing each minute."""
    stage = Stage()
    await stage.sweep()
    await _waiting(stage, 3, announced=False)
    await stage.sweep()
    assert [row["value"] for row in await stage.rows("SELECT value FROM cognate_cursors")] == []


def test_a_full_look_goes_on_behind_its_last_organization() -> None:
    """One that was not full starts again."""
    rows = [{"organization_id": f"o{number:03}", "stalled": 0} for number in range(MAX_LOOKED_AT)]

    assert chosen(rows) == ([], "o499")
    assert chosen(rows[1:]) == ([], "")
    assert chosen([]) == ([], "")


async def test_an_overdue_job_is_found_at_once_beside_thousands_of_organizations() -> None:
    """Wherever the cursor of the last run stands."""
    stage = Stage()
    await _waiting(stage, 2000, announced=True)
    found = []
    for organization in ("org_100001", "org_100900", "org_102000"):
        await stage.rows(
            "UPDATE cognate_jobs SET due_at = '2020' "
            "WHERE organization_id = ?1 AND record_id = 'r1'",
            organization,
        )
        await stage.sweep()
        found += await stage.rows(
            "SELECT announced FROM cognate_jobs WHERE organization_id = ?1 AND record_id = 'r1'",
            organization,
        )

    assert [row["announced"] for row in found] == [2, 2, 2]
