"""A Worker on this machine: `wrangler dev`, and the process behind its AI and Vectorize bindings.

`LocalWorker` knows no project. A subclass says what the project adds. `make dev` and the tests
start the same class, with other ports and another state folder.
"""

from __future__ import annotations

import fcntl
import json
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Self

from local import PROJECT
from local.failures import StartError
from local.running.leash import Leashed
from local.running.local_d1 import LocalMigrations, d1_file
from local.running.loopback import (
    HOST,
    NotHealthyError,
    free_port,
    is_free,
    status_of,
    wait_until_healthy,
)
from local.running.served_sources import ServedSources
from local.running.source_check import SourceMistake, Summary
from local.setup.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from local.running.source_check import SourceCheck

_START_SECONDS: Final = 90.0
"""Ten on an idle machine; the rest is for a busy one."""

_DATABASE: Final = "DB"
"""The D1 binding that the migrations are for."""


@dataclass(frozen=True)
class LocalConfig:
    """The ports and folders of a local run.

    Attributes:
        state: folder of the databases, the vectors and the logs. It is made if it is missing.
        port: of the Worker.
        platform_port: of the process that is Workers AI and Vectorize.
        variables: variables of the Worker that replace those of wrangler.toml.
        neighbours: configurations of other Workers in the same runtime.
    """

    state: Path
    port: int = field(default_factory=free_port)
    platform_port: int = field(default_factory=free_port)
    variables: Mapping[str, str] = field(default_factory=dict)
    neighbours: Sequence[Path] = ()


class LocalWorker(Generic[Summary]):
    """A local Worker. As a context manager it starts the Worker and ends all its processes.

    A subclass may override `prepare`, `notices`, `requeue_lost_messages` and `has_lost_messages`.

    Attributes:
        config: the ports and folders.
        layout: the checkout.
        schema: the summary of the served sources.
    """

    schema: Summary

    def __init__(
        self, config: LocalConfig, check: SourceCheck[Summary], layout: Layout | None = None
    ) -> None:
        """Make a Worker of the checkout `layout`, whose sources are checked by `check`."""
        self.config = config
        self.layout = layout or Layout()
        self._sources = ServedSources(self.layout, config.state, check)
        self._resources = ExitStack()
        self._platform: Leashed | None = None
        self._wrangler: Leashed | None = None

    # What a project adds

    def prepare(self) -> None:
        """Prepare the data, after the migrations and before the Worker starts.

        Raises:
            StartError: the data cannot be prepared.
        """

    def notices(self) -> list[str]:
        """Sentences for the person, about the served sources and the data."""
        return []

    def requeue_lost_messages(self) -> bool:
        """Have the messages sent again that the runtime lost. Miniflare keeps queues in memory.

        Returns:
            Whether there are any. They are sent by the next ticks.
        """
        return False

    def has_lost_messages(self) -> bool:
        """Whether more ticks are needed to send the lost messages."""
        return False

    # Addresses and files

    @property
    def url(self) -> str:
        """The address of the Worker, without a slash at the end."""
        return f"http://{HOST}:{self.config.port}"

    @property
    def platform_url(self) -> str:
        """The address of Workers AI and Vectorize. Tests ask it for faults and counts."""
        return f"http://{HOST}:{self.config.platform_port}"

    @property
    def wrangler_log(self) -> Path:
        """The output of wrangler and of the Worker since this start."""
        return self.config.state / "logs" / "wrangler.log"

    @property
    def platform_log(self) -> Path:
        """The output of Workers AI and Vectorize since this start."""
        return self.config.state / "logs" / "platform.log"

    @property
    def database(self) -> Path:
        """The SQLite file of the D1 database that the migrations are for.

        Raises:
            StartError: it does not exist.
        """
        found = self.database_file(_DATABASE)
        if found is None or not found.is_file():
            message = (
                f"The local database is not in {self._persisted}: run `make clean` and start again."
            )
            raise StartError(message)
        return found

    def database_file(self, binding: str) -> Path | None:
        """The SQLite file of a D1 binding, which need not exist; None without such a binding."""
        return d1_file(self._persisted, self._environment_of_worker(), binding)

    def variable(self, name: str) -> str | None:
        """The value of a variable of the Worker; None if it has none."""
        variables = {**self._environment_of_worker().get("vars", {}), **self.config.variables}
        return variables.get(name)

    def _environment_of_worker(self) -> dict[str, Any]:
        """`[env.local]` of the wrangler.toml that is served or about to be served."""
        served = self._sources.folder / "wrangler.toml"
        text = (served if served.is_file() else self.layout.root / served.name).read_text("utf-8")
        environment: dict[str, Any] = tomllib.loads(text)["env"]["local"]
        return environment

    @property
    def _persisted(self) -> Path:
        return self.config.state / "wrangler"

    # Start and end

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
        self._lock_state()
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
        self.migrate()
        self.prepare()
        self._wait(self._platform, "The local platform", self.platform_url)
        self._wrangler = self._start_wrangler()
        self._wait(self._wrangler, "The Worker", self.url)

    def _lock_state(self) -> None:
        """Lock the state folder, because two processes on one SQLite file would lose data."""
        self.config.state.mkdir(parents=True, exist_ok=True)
        lock = self._resources.enter_context((self.config.state / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"{PROJECT} runs already with the data in {self.config.state}: end it first."
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
            # Miniflare finds bindings.mjs in this folder, and bindings.mjs reads this address.
            "NODE_PATH": str(self.layout.root / "local" / "bindings"),
            "PLATFORM_URL": self.platform_url,
            # By default, Workers of one name in two checkouts would find each other.
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

    def _wait(self, leashed: Leashed, what: str, url: str) -> None:
        try:
            wait_until_healthy(
                f"{url}/healthz", seconds=_START_SECONDS, is_running=leashed.is_running
            )
        except NotHealthyError as error:
            message = f"{what} did not start: {error}; {leashed.log} says why."
            raise StartError(message) from error

    # While it runs

    def is_running(self) -> bool:
        """Whether the Worker was started and has not ended."""
        return self._wrangler is not None and self._wrangler.is_running()

    def platform_is_running(self) -> bool:
        """Whether Workers AI and Vectorize were started and have not ended."""
        return self._platform is not None and self._platform.is_running()

    def migrate(self) -> None:
        """Apply the migrations that are new. The Worker need not run.

        Raises:
            StartError: a migration failed, or an applied one was changed afterwards.
        """
        state = self.config.state
        migrations = LocalMigrations(
            self.layout.root / "migrations",
            state / "migrations.json",
            state / "logs" / "migrations.log",
        )
        migrations.log.parent.mkdir(parents=True, exist_ok=True)
        command = self.layout.wrangler(
            *("d1", "migrations", "apply", _DATABASE, "--local", "--env=local"),
            f"--persist-to={self._persisted}",
        )
        migrations.apply(command, self._environment(), self.layout.root)

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

    def tick(self) -> None:
        """Call the cron trigger, which `wrangler dev` does not do by itself.

        A Worker that is busy or restarting misses a tick, as it may in production.
        """
        status_of(f"{self.url}/cdn-cgi/local/scheduled")

    def crash(self) -> None:
        """Kill the Worker. Workers AI, Vectorize and the data stay."""
        if self._wrangler is not None:
            self._wrangler.kill()

    def restart(self) -> None:
        """Kill the Worker and start it again on the same port and data.

        Raises:
            StartError: it did not start.
        """
        self.crash()
        self._wrangler = self._start_wrangler()
        self._wait(self._wrangler, "The Worker", self.url)

    def restart_platform(self) -> None:
        """Kill Workers AI and Vectorize, and start them again with the indexes of `schema`.

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
        """Serve the saved sources. Returns whether they differ from the served ones.

        Raises:
            SourceMistake: the saved sources have a mistake. The served ones stay.
            StartError: the sources need other indexes, and Vectorize did not start with them.
        """
        contents, schema = self._sources.check()
        before, self.schema = self.schema, schema
        if schema.indexes != before.indexes:
            self.restart_platform()
        return self._sources.serve(contents)

    def touch_sources(self) -> None:
        """Make wrangler look again at the served sources."""
        self._sources.touch()

    def keep_sources(self) -> None:
        """Remember the served sources for `roll_back`, because the Worker answers with them."""
        self._sources.keep()

    def roll_back(self) -> None:
        """Serve the sources of the last `keep_sources`, or those of the start."""
        self._sources.roll_back()
