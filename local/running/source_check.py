"""Import the Worker's sources on the host before wrangler serves them, and describe them.

`SourceCheck.run` does it in a process of its own (`python -m local.running.source_check`). So no
mistake in a source can end `make dev`, and each check imports the files anew.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import traceback
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec

_CHECK_SECONDS: Final = 30.0
"""An import takes one second, or several on a busy machine."""

_RUNTIME_MODULES: Final = re.compile(r"_?(js|pyodide\w*|workers|cloudflare\w*)")
"""Modules that only the Worker's runtime has. A source that imports one is compiled instead."""


class SourceMistake(Exception):
    """The sources cannot be served. The message is one sentence that says where and why."""


@dataclass(frozen=True)
class SourceSummary:
    """What a local run must know of the sources. A project adds attributes of its own.

    Attributes:
        indexes: the Vectorize indexes, as `--index-config` of `local.bindings.server` takes them.
    """

    indexes: Sequence[Mapping[str, Any]]


Summary = TypeVar("Summary", bound=SourceSummary)


@dataclass(frozen=True)
class SourceCheck(Generic[Summary]):
    """How to check the sources of a project.

    Attributes:
        summary: the class of the summary.
        describe: a function of this machine, as `module:name`. It takes the module `first` and
            returns the attributes of the summary as JSON values. It runs after all imports, and
            may raise an error for a mistake that no import finds.
        first: the module below `src/` to import first, the one that people edit. A mistake without
            a place of its own is reported there.
        library: the package below `src/` that people do not edit. If it raises an error, the line
            that called it is reported, and the message of an error class of its own is taken as a
            sentence.
    """

    summary: type[Summary]
    describe: str
    first: str
    library: str

    @property
    def first_file(self) -> str:
        """The path of the module `first` below the checkout."""
        return f"src/{self.first}.py"

    def run(self, src: Path, packages: Path, cache: Path) -> Summary:
        """Import every module below `src` as the Worker would, and describe them.

        Args:
            src: the folder of the sources.
            packages: the folder of the Worker's packages. A source may import no others.
            cache: a folder for compiled modules. It makes the next check faster.

        Raises:
            SourceMistake: a module cannot be imported, or `describe` raised an error.
        """
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
        # No other copy of the sources may be found.
        environment.pop("PYTHONPATH", None)
        # It would keep the cache empty.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        options = [str(src), str(packages), self.describe, self.first, self.library]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "local.running.source_check", *options],
                cwd=Path(__file__).parents[2],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_CHECK_SECONDS,
                check=False,
                # Ctrl-C in the terminal must end `make dev` only, not the check.
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            message = f"src/: importing the sources took more than {_CHECK_SECONDS:.0f} seconds."
            raise SourceMistake(message) from None
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            message = f"src/: importing the sources ended Python with status {done.returncode}."
            raise SourceMistake(message) from None
        if "mistake" in answer:
            raise SourceMistake(answer["mistake"])
        return self.summary(**answer)


class _WorkerPackagesOnly(MetaPathFinder):
    """Refuses packages that this machine has and the Worker does not."""

    def __init__(self, src: Path, packages: Path) -> None:
        installed = Path(sysconfig.get_path("purelib"))
        self._refused = _modules_in(installed) - _modules_in(packages) - _modules_in(src)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: object = None
    ) -> ModuleSpec | None:
        """Leave known modules to the next finder.

        Raises:
            ModuleNotFoundError: the Worker does not have this package.
        """
        if path is None and fullname in self._refused:
            message = f"the Worker has no package {fullname!r}, though this machine has it"
            raise ModuleNotFoundError(message, name=fullname)
        return None


def _modules_in(folder: Path) -> set[str]:
    return {path.name.split(".")[0] for path in folder.iterdir()}


def _check(src: Path, packages: Path, describe: str, first: str, library: str) -> dict[str, Any]:
    """The attributes of the summary as JSON, or `{"mistake": sentence}`."""
    sys.path.insert(0, str(src))
    sys.meta_path.insert(0, _WorkerPackagesOnly(src, packages))
    try:
        edited = importlib.import_module(first)
        for path in sorted(src.rglob("*.py")):
            _import(path, path.relative_to(src))
        module, name = describe.split(":")
        summary: dict[str, Any] = getattr(importlib.import_module(module), name)(edited)
    except BaseException as error:  # noqa: BLE001 - a source may raise anything, SystemExit too
        return {"mistake": _sentence(error, src, first, library)}
    return summary


def _import(path: Path, relative: Path) -> None:
    """Import a module. If it, or its package, needs the Worker's runtime, compile it."""
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not _RUNTIME_MODULES.fullmatch((error.name or "").split(".")[0]):
            raise
        compile(path.read_bytes(), path, "exec")


def _sentence(error: BaseException, src: Path, first: str, library: str) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        place, what = _place(error.filename, error.lineno, src), f"{error.msg}"
    else:
        files = [frame for frame in traceback.extract_tb(error.__traceback__) if _in(frame, src)]
        # The library finds a mistake in a definition; the line that called it has the mistake.
        own = [frame for frame in files if not _in(frame, src / library)] or files
        place = _place(own[-1].filename, own[-1].lineno, src) if own else f"src/{first}.py"
        is_sentence = type(error).__module__.split(".")[0] == library
        what = str(error) if is_sentence else _named(error)
    return f"{place}: {' '.join(what.split()).rstrip('.')}."


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _in(frame: traceback.FrameSummary, folder: Path) -> bool:
    return Path(frame.filename).is_relative_to(folder)


def _place(filename: str, line: int | None, src: Path) -> str:
    file = Path(filename)
    shown = Path("src", file.relative_to(src)) if file.is_relative_to(src) else file
    return f"{shown}, line {line}"


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = _check(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    sys.stdout.write(json.dumps(found))
