"""Memory snapshots of Python Workers: save one with workerd, and start workerd from one.

Cloudflare starts every isolate of a Python Worker from two snapshots, one on top of the other. The
baseline snapshot holds the started interpreter and depends on no Worker. The dedicated snapshot is
taken at deploy, after the Worker was imported. Here the set-up saves a baseline snapshot, and every
local run starts from it.
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
"""The compatibility flag that moves a snapshot to after the import of the Worker."""
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
"""Three on an idle machine."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_REASON: Final = re.compile(r"Uncaught Error: (.*?)(?=\n\s+at |\Z)", re.DOTALL)
"""What workerd says about an import that failed, without the stack of its own JavaScript."""


class SnapshotError(Exception):
    """A Worker could not be imported, or its memory could not be saved; the message says why."""


@dataclass(frozen=True)
class Compatibility:
    """The date and the flags that choose how the runtime behaves."""

    date: str
    flags: tuple[str, ...]

    @classmethod
    def local(cls, configuration: Path) -> Compatibility:
        """What `wrangler.toml` says for this machine."""
        values = tomllib.loads(configuration.read_text("utf-8"))
        flags = values["env"]["local"]["compatibility_flags"]
        return cls(values["compatibility_date"], tuple(flags))

    def with_flags(self, *flags: str) -> Compatibility:
        """The same with more flags."""
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
        runtime: workerd and the options that it always needs.
        worker: its main module; every file below the folder of it is uploaded too.
        compatibility: without `DEDICATED_FLAG` the memory is saved before the import.
        base: the snapshot to start from.

    Raises:
        SnapshotError: with the reason that workerd gave.
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
    """The part of workerd's output that says why the import of a Worker failed."""
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
