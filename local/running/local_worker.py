"""The whole of Cognate on one machine: the Python platform, and the Worker in wrangler dev.

`make dev` and the tests start the same class; they differ in ports and in where the state lies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from cognate.errors import ConfigurationError
from cognate.settings import AUTH_NAMING, Settings
from local.demo.organizations import DEMO_ORGANIZATIONS, DemoOrganization, seed
from local.development.missing_tables import missing_tables
from local.failures import StartError
from local.running.d1_files import d1_file
from local.running.leash import Leashed
from local.running.loopback import (
    HOST,
    NotHealthyError,
    free_port,
    is_free,
    status_of,
    wait_until_healthy,
)
from local.running.served_sources import ServedSources
from local.running.source_check import SourceMistake
from local.setup.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from local.running.source_check import SchemaSummary

_START_SECONDS: Final = 90.0
"""Ten on an idle machine; the rest is for one that is busy."""


@dataclass(frozen=True)
class LocalConfig:
    """Where to listen and where to keep things.

    Attributes:
        state: folder of the database, the vectors and the logs; made when it is missing.
        port: of the Worker.
        platform_port: of the Python process that is Workers AI and Vectorize.
        variables: of the Worker, over those of wrangler.toml.
        organizations: those that are signed in from the start.
        neighbours: configurations of other Workers that run in the same runtime.
    """

    state: Path
    port: int = field(default_factory=free_port)
    platform_port: int = field(default_factory=free_port)
    variables: Mapping[str, str] = field(default_factory=dict)
    organizations: Sequence[DemoOrganization] = DEMO_ORGANIZATIONS
    neighbours: Sequence[Path] = ()


class LocalWorker:
    """A running Cognate; a context manager that starts it and ends every process of it.

    Attributes:
        schema: what the sources that are served define.
    """

    schema: SchemaSummary

    def __init__(self, config: LocalConfig, layout: Layout | None = None) -> None:
        self.config = config
        self.layout = layout or Layout()
        self._sources = ServedSources(self.layout, config.state)
        self._resources = ExitStack()
        self._platform: Leashed | None = None
        self._wrangler: Leashed | None = None

    @property
    def url(self) -> str:
        """Of the Worker, without a slash at the end."""
        return f"http://{HOST}:{self.config.port}"

    @property
    def platform_url(self) -> str:
        """Of the Python platform, where tests ask for faults and counts."""
        return f"http://{HOST}:{self.config.platform_port}"

    def variable(self, name: str) -> str | None:
        """The value that the local Worker has for one of its variables; None where it has none."""
        variables = {**self._environment_of_worker().get("vars", {}), **self.config.variables}
        return variables.get(name)

    @property
    def wrangler_log(self) -> Path:
        """What wrangler and the Worker printed since this start."""
        return self.config.state / "logs" / "wrangler.log"

    @property
    def platform_log(self) -> Path:
        """What the Python platform printed since this start."""
        return self.config.state / "logs" / "platform.log"

    @property
    def database(self) -> Path:
        """The SQLite file of the D1 database that has the records.

        Raises:
            StartError: there is none; migrations make it.
        """
        found = d1_file(self._persisted, self._environment_of_worker(), "DB")
        if found is None or not found.is_file():
            message = (
                f"The local database is not in {self._persisted}: run `make clean` and start again."
            )
            raise StartError(message)
        return found

    @property
    def auth_database(self) -> Path:
        """The SQLite file that has Better Auth's tables: that of AUTH_DB where it is bound."""
        return d1_file(self._persisted, self._environment_of_worker(), "AUTH_DB") or self.database

    def _environment_of_worker(self) -> dict[str, Any]:
        """`[env.local]` of the wrangler.toml that is served, or is about to be."""
        served = self._sources.folder / "wrangler.toml"
        text = (served if served.is_file() else self.layout.root / served.name).read_text("utf-8")
        environment: dict[str, Any] = tomllib.loads(text)["env"]["local"]
        return environment

    @property
    def _persisted(self) -> Path:
        return self.config.state / "wrangler"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def _start(self) -> None:
        self._claim_state()
        for port in (self.config.port, self.config.platform_port):
            if not is_free(port):
                message = (
                    f"Port {port} is taken by another program: end that one, or choose another "
                    f"port, as in `make dev PORT={port + 1}`."
                )
                raise StartError(message)
        try:
            self.schema = self._sources.start()
        except SourceMistake as error:
            raise StartError(str(error)) from error
        self._platform = self._start_platform()
        self._migrate()
        self.sign_in()
        self._wait(self._platform, "The local platform", self.platform_url)
        self._wrangler = self._start_wrangler()
        self._wait(self._wrangler, "The Worker", self.url)

    def sign_in(self) -> None:
        """Write the organizations and their sessions into Better Auth's tables.

        Raises:
            StartError: the tables that are there have other columns.
        """
        try:
            naming = Settings.read({AUTH_NAMING: self.variable(AUTH_NAMING)}).auth_naming
        except ConfigurationError as error:
            raise StartError(f"wrangler.toml: {error}.") from error
        database = self.auth_database
        database.parent.mkdir(parents=True, exist_ok=True)
        try:
            seed(database, self.config.organizations, naming)
        except sqlite3.Error as error:
            message = (
                f"The demonstration's sessions do not fit the tables of Better Auth in {database}: "
                f"{error}; {AUTH_NAMING} may be wrong, or `make clean` makes the tables anew."
            )
            raise StartError(message) from error

    def answers(self, seconds: float) -> bool:
        """Whether the Worker answers within `seconds`."""
        try:
            wait_until_healthy(
                f"{self.url}/healthz",
                seconds=seconds,
                answer_seconds=seconds,
                is_running=self.is_running,
            )
        except NotHealthyError:
            return False
        return True

    def crash(self) -> None:
        """Kill the Worker where it stands; the platform goes on, and the data stays."""
        if self._wrangler is not None:
            self._wrangler.kill()

    def restart(self) -> None:
        """Start the Worker again on the same port and data; what is left of it is ended first.

        Raises:
            StartError: it did not start.
        """
        self.crash()
        self._wrangler = self._start_wrangler()
        self._wait(self._wrangler, "The Worker", self.url)

    def restart_platform(self) -> None:
        """Start Workers AI and Vectorize again, with the indexes of `schema`.

        Raises:
            StartError: they did not start.
        """
        if self._platform is not None:
            self._platform.kill()
        self._platform = self._start_platform()
        self._wait(self._platform, "The local platform", self.platform_url)

    def has_changed_sources(self) -> bool:
        """Whether sources were saved since the last `refresh`."""
        return self._sources.have_changed()

    def refresh(self) -> bool:
        """Serve what was saved; whether it differs from what was served.

        Raises:
            SourceMistake: what was saved has a mistake; what was served before stays.
            StartError: the schema needs other indexes, and the platform did not start with them.
        """
        contents, schema = self._sources.check()
        before, self.schema = self.schema, schema
        if schema.indexes != before.indexes:
            self.restart_platform()
        return self._sources.serve(contents)

    def touch_sources(self) -> None:
        """Have wrangler look again at what is served, should it have overlooked a change."""
        self._sources.touch()

    def keep_sources(self) -> None:
        """Remember what is served as what `roll_back` serves: the Worker answers with it."""
        self._sources.keep()

    def roll_back(self) -> None:
        """Serve again what was served at the last `keep_sources`, or at the start."""
        self._sources.roll_back()

    def tick(self) -> None:
        """Do what the cron trigger does in production: `wrangler dev` runs none by itself.

        A Worker that is busy or starting anew misses a tick, as it may there.
        """
        status_of(f"{self.url}/cdn-cgi/local/scheduled")

    def is_running(self) -> bool:
        """Whether the Worker was started and has not ended."""
        return self._wrangler is not None and self._wrangler.is_running()

    def platform_is_running(self) -> bool:
        """Whether Workers AI and Vectorize were started and have not ended."""
        return self._platform is not None and self._platform.is_running()

    def missing_tables(self) -> list[str]:
        """A sentence for each table of the schema that the database lacks, or lacks columns of."""
        return missing_tables(self.database, self.schema.columns, self.layout.root / "migrations")

    def _claim_state(self) -> None:
        """Two processes on one SQLite file would lose data, so the second does not start."""
        self.config.state.mkdir(parents=True, exist_ok=True)
        lock = self._resources.enter_context((self.config.state / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"Cognate runs already with the data in {self.config.state}: end it first."
            raise StartError(message) from None

    def _start_platform(self) -> Leashed:
        indexes = self.config.state / "indexes.json"
        indexes.write_text(json.dumps(self.schema.indexes, indent=2), "utf-8")
        command = [sys.executable, "-m", "local.bindings.server"]
        options = [
            f"--port={self.config.platform_port}",
            f"--state={self.config.state / 'platform'}",
            f"--index-config={indexes}",
        ]
        return self._leash([*command, *options], self.platform_log)

    def _start_wrangler(self) -> Leashed:
        command = self.layout.wrangler(
            "dev",
            f"--cwd={self._sources.folder}",
            "--config=wrangler.toml",
            *(f"--config={configuration}" for configuration in self.config.neighbours),
            "--env=local",
            f"--ip={HOST}",
            f"--port={self.config.port}",
            "--inspector-port=0",
            f"--persist-to={self._persisted}",
            *(f"--var={name}:{value}" for name, value in self.config.variables.items()),
        )
        return self._leash(command, self.wrangler_log)

    def _environment(self) -> dict[str, str]:
        return {
            **self.layout.environment(),
            # Where Miniflare finds bindings.mjs, and what that one binds.
            "PLATFORM_URL": self.platform_url,
            "NODE_PATH": str(self.layout.root / "local" / "bindings"),
            # Without it, Workers of equal names in two checkouts would find each other.
            "WRANGLER_REGISTRY_PATH": str(self.config.state / "registry"),
            "WRANGLER_LOG_PATH": str(self.config.state / "logs" / "wrangler-debug.log"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def _leash(self, command: list[str], log: Path) -> Leashed:
        leashed = Leashed.start(
            command, log=log, environment=self._environment(), folder=self.layout.root
        )
        self._resources.callback(leashed.end)
        return leashed

    def _migrate(self) -> None:
        """Apply the migrations that are new; asking wrangler takes seconds, so only then.

        Raises:
            StartError: one failed, or one was changed after it had been applied.
        """
        migrations = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.layout.root / "migrations").glob("*.sql"))
        }
        stamp = self.config.state / "migrations.json"
        applied = json.loads(stamp.read_text("utf-8")) if stamp.is_file() else {}
        for name, digest in migrations.items():
            if applied.get(name, digest) != digest:
                message = (
                    f"migrations/{name} was changed after it had been applied: put the change into "
                    "a new migration, or run `make clean` for a new database."
                )
                raise StartError(message)
        if applied == migrations:
            return
        log = self.config.state / "logs" / "migrations.log"
        command = self.layout.wrangler("d1", "migrations", "apply", "DB", "--local", "--env=local")
        with log.open("wb") as output:
            status = subprocess.run(
                [*command, f"--persist-to={self._persisted}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.layout.root,
                check=False,
            ).returncode
        if status != 0:
            message = f"A migration failed; {log} says which and why."
            raise StartError(message)
        stamp.write_text(json.dumps(migrations, indent=2), "utf-8")

    def _wait(self, leashed: Leashed, what: str, url: str) -> None:
        try:
            wait_until_healthy(
                f"{url}/healthz", seconds=_START_SECONDS, is_running=leashed.is_running
            )
        except NotHealthyError as error:
            message = f"{what} did not start: {error}; {leashed.log} says why."
            raise StartError(message) from error
