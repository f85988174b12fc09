"""Tests of `local.development.lost_messages`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cognate.ports import Statement
from local.development.lost_messages import are_due, make_due
from tests.stage.platform import ACME, Stage

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("cognate_jobs", "cognate_backfills")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of a local database, which `exchange` fills."""
    return tmp_path / "d1.sqlite"


async def exchange(stage: Stage, database: Path) -> bool:
    """Run `make_due` on the stage's jobs and backfills, by way of a file."""
    rows = {table: await stage.rows(f"SELECT * FROM {table}") for table in TABLES}  # noqa: S608 - constants
    schema = await stage.rows("SELECT sql FROM sqlite_schema WHERE type = 'table'")
    with closing(sqlite3.connect(database)) as connection, connection:
        for row in schema:
            if any(f"TABLE {table} " in row["sql"] for table in TABLES):
                connection.execute(row["sql"])
        for table, found in rows.items():
            for row in found:
                marks = ", ".join("?" * len(row))
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})",  # noqa: S608 - names of columns
                    tuple(row.values()),
                )
    made = make_due(database)
    assert made == are_due(database)
    with closing(sqlite3.connect(database)) as connection:
        for table in TABLES:
            for job_id, due_at in connection.execute(f"SELECT id, due_at FROM {table}"):  # noqa: S608 - constants
                update = Statement(
                    f"UPDATE {table} SET due_at = ?2 WHERE id = ?1",  # noqa: S608 - constants
                    (job_id, due_at),
                )
                await stage.platform.database.batch([update])
    return made


async def test_queued_and_running_jobs_are_announced_by_the_next_sweep(database: Path) -> None:
    """They wait a second after the queue has lost their messages, not minutes."""
    stage = Stage()
    await stage.write_many(ACME, {f"c{number}": f"text {number}" for number in range(3)})
    # The runtime ended while one of them was being embedded, and two waited in the queue.
    await stage.rows("UPDATE cognate_jobs SET status = 'running' WHERE record_id = 'c0'")
    assert stage.local.queue.drop() == 3
    stage.local.clock.advance(1)
    await stage.sweep()
    assert not stage.local.queue.waiting

    assert await exchange(stage, database)
    await stage.sweep()
    await stage.drain()
    assert ["done"] * 3 == await stage.jobs()


async def test_finished_jobs_stay_as_they_are(database: Path) -> None:
    """There is no message to send, so no tick is needed."""
    stage = Stage()
    await stage.write(ACME, "c1", "a text")
    await stage.drain()
    assert await stage.jobs() == ["done"]
    assert await exchange(stage, database) is False
