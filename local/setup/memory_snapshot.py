"""Save a memory snapshot of a Python Worker with workerd, and start workerd from a snapshot.

Cloudflare starts each isolate of a Python Worker from two snapshots. The baseline snapshot has the
started interpreter and is the same for all Workers. The dedicated snapshot is taken at deploy,
after the import of the Worker. Here the set-up saves a baseline snapshot, and every local run
starts from it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SAVED_NAME: Final = "snapshot.bin"
"""The file name that workerd gives to a snapshot."""
DEDICATED_FLAG: Final = "python_dedicated_snapshot"
"""With this compatibility flag, the snapshot is saved after the import of the Worker."""
OWN_SDK_FLAG: Final = "disable_python_external_sdk"
"""The flag of a Worker that imports `workers` from the runtime and not from `python_modules/`."""
EMPTY_WORKER: Final = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def test(self):
        pass
"""
_BASE_NAME: Final = "base.bin"
_SECONDS: Final = 120
"""Three are enough on an idle machine."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_REASON: Final = re.compile(r"Uncaught Error: (.*?)(?=\n\s+at |\Z)", re.DOTALL)
"""The error of a failed import, without the JavaScript stack of workerd."""


class SnapshotError(Exception):
    """A Worker could not be imported, or its memory not saved. The message says why."""


@dataclass(frozen=True)
class Compatibility:
    """The compatibility date and flags of a Worker."""

    date: str
    flags: tuple[str, ...]

    @classmethod
    def local(cls, configuration: Path) -> Compatibility:
        """Read those of `[env.local]` in a `wrangler.toml`."""
        values = tomllib.loads(configuration.read_text("utf-8"))
        flags = values["env"]["local"]["compatibility_flags"]
        return cls(values["compatibility_date"], tuple(flags))

    def with_flags(self, *flags: str) -> Compatibility:
        """A copy with more flags."""
        return Compatibility(self.date, (*self.flags, *flags))


def load_options(snapshot: Path) -> list[str]:
    """Options of `workerd serve` and `workerd test` that start Python from `snapshot`."""
    return [f"--python-snapshot-dir={snapshot.parent}", f"--python-load-snapshot={snapshot.name}"]


def save_options(folder: Path, base: Path | None = None) -> list[str]:
    """Options that start Python from `base` and save a snapshot in `folder` as `SAVED_NAME`.

    workerd reads and writes snapshots in one folder only, so `base` is copied there.
    """
    if base is None:
        return [f"--python-snapshot-dir={folder}", "--python-save-snapshot"]
    copy = Path(shutil.copy(base, folder / _BASE_NAME))
    return [*load_options(copy), "--python-save-snapshot"]


def save_snapshot(
    runtime: Sequence[str], worker: Path, compatibility: Compatibility, base: Path | None = None
) -> Path:
    """Import a Worker in workerd, and save its memory as `SAVED_NAME` in its folder.

    Args:
        runtime: the command line of workerd with the options that it always needs.
        worker: the main module. Every file below its folder is a module of the Worker too.
        compatibility: without `DEDICATED_FLAG` the memory is saved before the import.
        base: the snapshot to start from. None: start without one.

    Raises:
        SnapshotError: workerd failed.
    """
    folder = worker.parent
    configuration = folder / "worker.capnp"
    configuration.write_text(_configuration(worker, compatibility), encoding="utf-8")
    executable, *always = runtime
    options = [*always, *save_options(folder, base)]
    try:
        done = subprocess.run(
            [executable, "test", "--experimental", *options, str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SnapshotError(str(error)) from error
    snapshot = folder / SAVED_NAME
    if done.returncode != 0 or not snapshot.is_file():
        raise SnapshotError(reason_of(done.stdout))
    return snapshot


def reason_of(output: str) -> str:
    """The part of workerd's output that says why the import failed."""
    plain = _COLOUR.sub("", output)
    found = _REASON.search(plain)
    return (found[1] if found else plain).strip()


def _configuration(worker: Path, compatibility: Compatibility) -> str:
    names = [
        path.relative_to(worker.parent).as_posix()
        for path in sorted(worker.parent.rglob("*"))
        if path.is_file() and path != worker
    ]
    modules = ",\n    ".join(
        f'(name = "{name}", {"pythonModule" if name.endswith(".py") else "data"} = embed "{name}")'
        for name in [worker.name, *names]
    )
    flags = ", ".join(f'"{flag}"' for flag in compatibility.flags)
    return f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "worker", worker = (
  modules = [
    {modules}
  ],
  compatibilityDate = "{compatibility.date}",
  compatibilityFlags = [{flags}]
))]);
"""
