"""Backfills are started once a table, watched, cancelled and forgotten, within an organization."""

from __future__ import annotations

import pytest

from cognate.backfill.backfills import (
    BackfillStatus,
    cancel_backfill,
    find_backfill,
    list_backfills,
    start_backfill,
)
from cognate.backfill.needs import Selection
from cognate.errors import BackfillRunning, NotFound
from tests.stage.platform import ACME, ARTICLES, CLAIMS, GLOBEX, Stage


async def test_the_same_backfill_is_running_already() -> None:
    """It is answered; with other options it is in the way; other tables are not."""
    stage = Stage()
    first = await start_backfill(stage.platform, ACME, CLAIMS, Selection.MISSING, 60)

    same = await start_backfill(stage.platform, ACME, CLAIMS, Selection.MISSING, 60)

    assert same == first
    for selection, rate in ((Selection.ALL, 60), (Selection.MISSING, None)):
        with pytest.raises(BackfillRunning, match=first.id):
            await start_backfill(stage.platform, ACME, CLAIMS, selection, rate)
    other = await start_backfill(stage.platform, ACME, ARTICLES, Selection.ALL, None)
    foreign = await start_backfill(stage.platform, GLOBEX, CLAIMS, Selection.ALL, None)
    assert len({first.id, other.id, foreign.id}) == 3
    assert len(stage.local.queue.waiting) == 3


async def test_a_cancelled_backfill_takes_no_further_step() -> None:
    """And makes room for another one."""
    stage = Stage()
    await stage.rows(
        "INSERT INTO claims (organization_id, id, content) VALUES ('org_acme', 'c1', 'x')"
    )
    backfill = await start_backfill(stage.platform, ACME, CLAIMS, Selection.ALL, None)

    cancelled = await cancel_backfill(stage.platform, ACME, backfill.id)
    await stage.settle()

    assert cancelled.status is BackfillStatus.CANCELLED
    assert await cancel_backfill(stage.platform, ACME, backfill.id) == cancelled
    assert await stage.jobs() == []
    again = await start_backfill(stage.platform, ACME, CLAIMS, Selection.ALL, None)
    await stage.settle()
    ended = await find_backfill(stage.local.database, ACME, again.id)
    assert (ended.status, ended.queued) == (BackfillStatus.DONE, 1)


async def test_a_backfill_of_another_organization_does_not_exist() -> None:
    """It is neither found, nor cancelled, nor listed."""
    stage = Stage()
    database = stage.local.database
    backfill = await start_backfill(stage.platform, ACME, CLAIMS, Selection.ALL, None)

    for missing in (backfill.id, "backfill_missing"):
        with pytest.raises(NotFound):
            await find_backfill(database, GLOBEX, missing)
        with pytest.raises(NotFound):
            await cancel_backfill(stage.platform, GLOBEX, missing)
    assert (await list_backfills(database, GLOBEX, limit=9, cursor=None)).items == []
    assert (await find_backfill(database, ACME, backfill.id)).status is BackfillStatus.RUNNING


async def test_the_newest_are_listed_first() -> None:
    """On pages of any size."""
    stage = Stage()
    ids = []
    for _ in range(5):
        backfill = await start_backfill(stage.platform, ACME, CLAIMS, Selection.ALL, None)
        ids.append(backfill.id)
        await stage.settle()
        stage.local.clock.advance(1)
    for limit in (1, 2, 5):
        found: list[str] = []
        cursor = None
        while True:
            page = await list_backfills(stage.local.database, ACME, limit=limit, cursor=cursor)
            found += [item.id for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == ids[::-1]


async def test_old_backfills_are_removed() -> None:
    """Those that ended before the retention; a running one stays."""
    stage = Stage()
    old = await start_backfill(stage.platform, ACME, CLAIMS, Selection.ALL, None)
    await stage.settle()
    running = await start_backfill(stage.platform, ACME, ARTICLES, Selection.ALL, None)
    stage.local.clock.advance(31 * 24 * 3600)

    await stage.sweep()

    page = await list_backfills(stage.local.database, ACME, limit=9, cursor=None)
    assert [item.id for item in page.items] == [running.id]
    assert old.id != running.id
