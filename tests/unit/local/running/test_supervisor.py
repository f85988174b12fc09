"""Tests of `local.running.supervisor`. `tests/worker/test_launcher.py` uses real processes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.adapters.sqlite_database import SqliteDatabase
from local.development.local_cognate import LocalCognate
from local.failures import StartError
from local.running.local_worker import LocalConfig
from local.running.loopback import free_port
from local.running.source_check import SourceMistake
from local.running.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

JOB = (
    "INSERT INTO cognate_jobs (id, organization_id, scope, record_id, source, status, announced, "
    "due_at, created_at, updated_at) VALUES ('j', 'o', 'claims', 'c', 'write', 'queued', 1, "
    "'2026-11-24T00:00:00.000Z', '2026-11-24T00:00:00.000Z', '2026-11-24T00:00:00.000Z')"
)


_RELOADED = "Reloading local server...\nLocal server updated and ready\n"


class Enough(Exception):
    """The test has seen what it needs."""


class ScriptedWorker(LocalCognate):
    """A Worker without processes. A test says what they do.

    Attributes:
        runs: whether its processes run.
        survives: whether they run after a restart.
        restarts: the number of restarts.
        ticks: the number of ticks.
        mistake: the mistake of a save that waits; None: there is none.
        saved: whether a good save waits.
        is_broken: whether the runtime cannot start with the served sources.
        rolled_back: the number of rollbacks.
        overlooks: whether wrangler overlooks the save and only ends an earlier reload.
        touches: the number of reminders to wrangler.
        hangs: whether the Worker hangs until it is restarted.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalConfig(state=folder, port=free_port()))
        self.runs, self.survives = True, True
        self.restarts = self.ticks = 0
        self.mistake: str | None = None
        self.saved = self.is_broken = False
        self.rolled_back = self.touches = 0
        self.overlooks = False
        self.hangs = False
        self.wrangler_log.parent.mkdir(parents=True)
        self.wrangler_log.touch()
        SqliteDatabase.migrated(folder / "d1.sqlite")

    @property
    def database(self) -> Path:
        """A file with the tables of the migrations."""
        return self.config.state / "d1.sqlite"

    def is_running(self) -> bool:
        """What the script says."""
        return self.runs

    def platform_is_running(self) -> bool:
        """Always true."""
        return True

    def restart(self) -> None:
        """Count the restart. Fail if the runtime cannot start."""
        self.restarts += 1
        if self.is_broken:
            message = "The Worker did not start."
            raise StartError(message)
        self.runs = self.survives

    def answers(self, seconds: float) -> bool:
        """A Worker that hangs answers only after a restart."""
        assert seconds > 0
        return self.restarts > 0 or not self.hangs

    def has_changed_sources(self) -> bool:
        """Whether a mistake or a good save waits."""
        return self.mistake is not None or self.saved

    def refresh(self) -> bool:
        """Raise the mistake, or make wrangler report a reload."""
        mistake, self.mistake = self.mistake, None
        if mistake is not None:
            raise SourceMistake(mistake)
        self.saved = False
        with self.wrangler_log.open("a", encoding="utf-8") as log:
            log.write("Local server updated and ready\n" if self.overlooks else _RELOADED)
        return True

    def touch_sources(self) -> None:
        """Make wrangler reload what it has overlooked."""
        self.touches += 1
        with self.wrangler_log.open("a", encoding="utf-8") as log:
            log.write(_RELOADED)

    def notices(self) -> list[str]:
        """There are none."""
        return []

    def keep_sources(self) -> None:
        """Nothing is served, so nothing is kept."""

    def roll_back(self) -> None:
        """Count it. The earlier sources can start."""
        self.rolled_back += 1
        self.is_broken = False

    def tick(self) -> None:
        """Act as the sweeper. Raise `Enough` once there is nothing left to do."""
        self.ticks += 1
        with closing(sqlite3.connect(self.database)) as connection, connection:
            due = connection.execute("UPDATE cognate_jobs SET due_at = '9999' WHERE due_at = ''")
        is_idle = not self.saved and self.overlooks == (self.touches > 0)
        is_idle = is_idle and (self.restarts > 0 or not self.hangs)
        if not due.rowcount and self.survives and is_idle:
            raise Enough


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedWorker:
    """A Worker with an open port, supervised without pauses."""
    monkeypatch.setattr("local.running.supervisor._LOOK_SECONDS", 0)
    monkeypatch.setattr("local.running.supervisor._TICK_SECONDS", 0)
    monkeypatch.setattr("local.running.supervisor.is_listening", lambda _port: True)
    return ScriptedWorker(tmp_path)


def add_job(worker: ScriptedWorker) -> None:
    """Add a queued job whose message was sent."""
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute(JOB)


def test_what_ends_again_and_again_is_given_up_with_a_sentence(worker: ScriptedWorker) -> None:
    """It is restarted three times."""
    worker.runs = worker.survives = False

    with pytest.raises(StartError, match="The Worker ended again and again"):
        Supervisor(worker, lambda _text: None).run()

    assert worker.restarts == 3


def test_what_ends_once_is_started_once_and_goes_on(worker: ScriptedWorker) -> None:
    """The supervisor prints what it does."""
    worker.runs = False
    said: list[str] = []

    with pytest.raises(Enough):
        Supervisor(worker, said.append).run()

    assert worker.restarts == 1
    assert "The Worker ended; starting again" in "".join(said)


def test_a_port_that_stays_closed_is_an_end_too(
    worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of wrangler runs, but the Worker cannot be reached."""
    monkeypatch.setattr("local.running.supervisor.is_listening", lambda _port: worker.restarts > 0)

    def tick(_supervisor: Supervisor) -> None:
        if worker.restarts:
            raise Enough

    monkeypatch.setattr(Supervisor, "_tick", tick)

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    assert worker.restarts == 1


def test_jobs_are_announced_at_the_start(worker: ScriptedWorker) -> None:
    """The sweeper runs at once, until no job is due."""
    add_job(worker)

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    # The one that found the job, and the one of the clock.
    assert worker.ticks == 2


def test_a_mistake_is_said_once(worker: ScriptedWorker) -> None:
    """The message also says what keeps answering."""
    worker.mistake = "src/schema.py, line 3: a mistake."
    said: list[str] = []

    with pytest.raises(Enough):
        Supervisor(worker, said.append).run()

    [sentence] = [text for text in said if "a mistake." in text]
    assert "The last good version keeps answering" in sentence


@pytest.mark.parametrize(
    ("is_broken", "ends", "rolled_back", "restarts"),
    [(False, False, 0, 1), (True, False, 1, 2), (True, True, 1, 1)],
    ids=["hangs", "cannot start", "ends"],
)
def test_only_what_cannot_start_is_taken_back(
    worker: ScriptedWorker,
    *,
    is_broken: bool,
    ends: bool,
    rolled_back: int,
    restarts: int,
) -> None:
    """A Worker that hangs after a save is restarted with the save."""
    worker.saved, worker.is_broken, worker.hangs = True, is_broken, True
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if ends and "Reloading" in text:
            worker.runs = False

    with pytest.raises(Enough):
        Supervisor(worker, say).run()

    assert (rolled_back, restarts) == (worker.rolled_back, worker.restarts)
    assert rolled_back == "".join(said).count("The Worker does not start with what was saved")


def test_wrangler_is_reminded_of_what_it_overlooks(worker: ScriptedWorker) -> None:
    """The end of an earlier reload does not show that the last save runs."""
    worker.saved = worker.overlooks = True

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    assert (worker.touches, worker.restarts) == (1, 0)
