"""What `make dev` does while it runs; `tests/worker/test_launcher.py` does it to real processes."""

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
    """The test has seen what it came for."""


class ScriptedWorker(LocalCognate):
    """A Worker without processes, that says of them what a test wants.

    Attributes:
        runs: whether its processes run.
        survives: whether they run after a restart.
        restarts: how often they were started again.
        ticks: how often the clock was.
        mistake: what is wrong with what was saved, while something was.
        saved: whether something without a mistake was saved, and not yet served.
        is_broken: whether the runtime cannot start with what is served.
        rolled_back: how often what was saved was taken back.
        overlooks: whether wrangler overlooks what was saved, and only ends an earlier reload.
        touches: how often it was reminded.
        hangs: whether the process that listens hangs until it is started anew.
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
        """A file with the migrations' tables."""
        return self.config.state / "d1.sqlite"

    def is_running(self) -> bool:
        """As scripted."""
        return self.runs

    def platform_is_running(self) -> bool:
        """Always."""
        return True

    def restart(self) -> None:
        """Count; fail where the runtime cannot start."""
        self.restarts += 1
        if self.is_broken:
            message = "The Worker did not start."
            raise StartError(message)
        self.runs = self.survives

    def answers(self, seconds: float) -> bool:
        """Where it hangs, only after a restart."""
        assert seconds > 0
        return self.restarts > 0 or not self.hangs

    def has_changed_sources(self) -> bool:
        """Whether there is a mistake, or something that was saved."""
        return self.mistake is not None or self.saved

    def refresh(self) -> bool:
        """Find the mistake, or have wrangler say that it has started again."""
        mistake, self.mistake = self.mistake, None
        if mistake is not None:
            raise SourceMistake(mistake)
        self.saved = False
        with self.wrangler_log.open("a", encoding="utf-8") as log:
            log.write("Local server updated and ready\n" if self.overlooks else _RELOADED)
        return True

    def touch_sources(self) -> None:
        """Have wrangler reload what it has overlooked."""
        self.touches += 1
        with self.wrangler_log.open("a", encoding="utf-8") as log:
            log.write(_RELOADED)

    def notices(self) -> list[str]:
        """None."""
        return []

    def keep_sources(self) -> None:
        """Nothing is served."""

    def roll_back(self) -> None:
        """Count; the runtime starts with what was there before."""
        self.rolled_back += 1
        self.is_broken = False

    def tick(self) -> None:
        """Do what the sweeper does, and end once there is nothing left to do."""
        self.ticks += 1
        with closing(sqlite3.connect(self.database)) as connection, connection:
            due = connection.execute("UPDATE cognate_jobs SET due_at = '9999' WHERE due_at = ''")
        is_idle = not self.saved and self.overlooks == (self.touches > 0)
        is_idle = is_idle and (self.restarts > 0 or not self.hangs)
        if not due.rowcount and self.survives and is_idle:
            raise Enough


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedWorker:
    """A Worker whose port is open, looked at without a pause."""
    monkeypatch.setattr("local.running.supervisor._LOOK_SECONDS", 0)
    monkeypatch.setattr("local.running.supervisor._TICK_SECONDS", 0)
    monkeypatch.setattr("local.running.supervisor.is_listening", lambda _port: True)
    return ScriptedWorker(tmp_path)


def add_job(worker: ScriptedWorker) -> None:
    """Put a job into the database whose message is somewhere."""
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute(JOB)


def test_what_ends_again_and_again_is_given_up_with_a_sentence(worker: ScriptedWorker) -> None:
    """Three times it is started again."""
    worker.runs = worker.survives = False

    with pytest.raises(StartError, match="The Worker ended again and again"):
        Supervisor(worker, lambda _text: None).run()

    assert worker.restarts == 3


def test_what_ends_once_is_started_once_and_goes_on(worker: ScriptedWorker) -> None:
    """And says so."""
    worker.runs = False
    said: list[str] = []

    with pytest.raises(Enough):
        Supervisor(worker, said.append).run()

    assert worker.restarts == 1
    assert "The Worker ended; starting again" in "".join(said)


def test_a_port_that_stays_closed_is_an_end_too(
    worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that the launcher has started runs, and nobody can reach the Worker."""
    monkeypatch.setattr("local.running.supervisor.is_listening", lambda _port: worker.restarts > 0)

    def tick(_supervisor: Supervisor) -> None:
        if worker.restarts:
            raise Enough

    monkeypatch.setattr(Supervisor, "_tick", tick)

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    assert worker.restarts == 1


def test_jobs_are_announced_at_the_start(worker: ScriptedWorker) -> None:
    """The sweeper is asked at once, until nothing is due."""
    add_job(worker)

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    # The one that found the job, and the one of the clock.
    assert worker.ticks == 2


def test_a_mistake_is_said_once(worker: ScriptedWorker) -> None:
    """With what goes on meanwhile."""
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
    """A Worker that hangs after a save is started anew with what was saved."""
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
    """The end of an earlier reload is no proof that what was saved since is running."""
    worker.saved = worker.overlooks = True

    with pytest.raises(Enough):
        Supervisor(worker, lambda _text: None).run()

    assert (worker.touches, worker.restarts) == (1, 0)
