"""Check the Worker's sources before wrangler serves them: import them and describe the schema.

`check_sources` runs `python -m local.running.source_check SRC PACKAGES` in its own process, so
that no mistake in a source can end `make dev`, and so that each check imports the files anew.
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
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec

    from cognate import Cognate

_CHECK_SECONDS: Final = 30.0
"""An import takes one second, or some on a busy machine; a loop in a source takes for ever."""

_RUNTIME_MODULES: Final = re.compile(r"_?(js|pyodide\w*|workers|cloudflare\w*)")
"""Modules that exist in the Worker's runtime only: what imports them is checked for syntax."""


class SourceMistake(Exception):
    """The sources cannot be served; the message is one sentence that says where and why."""


@dataclass(frozen=True)
class SchemaSummary:
    """What `make dev` needs to know of `src/schema.py`.

    Attributes:
        indexes: the Vectorize indexes, as the platform's `--index-config` takes them.
        columns: each table with the columns that its SQL table must have.
        services: the names of the similarity services.
    """

    indexes: Sequence[Mapping[str, Any]]
    columns: Mapping[str, Sequence[str]]
    services: Sequence[str]


def check_sources(src: Path, packages: Path, cache: Path) -> SchemaSummary:
    """Import every module below `src` as the Worker would, and describe the schema.

    Args:
        src: the folder of `schema.py`.
        packages: the folder of the Worker's packages; a source may import no others.
        cache: a folder for compiled modules, so that the next check is faster.

    Raises:
        SourceMistake: a module cannot be imported, or the schema has a mistake.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    # The sources to check are those in `src` and no others.
    environment.pop("PYTHONPATH", None)
    # It would keep the cache empty.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "local.running.source_check", str(src), str(packages)],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
            # Ctrl-C in the terminal is for `make dev`, and no mistake in the sources.
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
    return SchemaSummary(**answer)


def describe(app: Cognate) -> SchemaSummary:
    """What `make dev` needs to know of a schema."""
    indexes = [
        {
            "binding": index.binding,
            "name": index.name,
            "dimensions": index.dimensions,
            "metric": index.metric,
            "metadataIndexes": index.metadata_indexes,
        }
        for index in app.vector_indexes()
    ]
    # Not at the top: the sources to check are on the path by now, and no others.
    needed_columns = importlib.import_module("cognate.schema.ddl").needed_columns
    columns = {name: list(needed_columns(table)) for name, table in app.tables.items()}
    return SchemaSummary(indexes, columns, list(app.similarities))


class _WorkerPackagesOnly(MetaPathFinder):
    """Refuses packages that are installed on this machine and not in the Worker."""

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


def _check(src: Path, packages: Path) -> dict[str, Any]:
    """The summary as JSON, or `{"mistake": sentence}`."""
    sys.path.insert(0, str(src))
    sys.meta_path.insert(0, _WorkerPackagesOnly(src, packages))
    try:
        schema = importlib.import_module("schema")
        for path in sorted(src.rglob("*.py")):
            _import(path, path.relative_to(src))
        # Some mistakes show only when the API is made from the schema.
        importlib.import_module("cognate.api.application").Application(schema.app)
        summary = describe(schema.app)
    except BaseException as error:  # noqa: BLE001 - a source may raise anything, SystemExit too
        return {"mistake": _sentence(error, src)}
    return vars(summary)


def _import(path: Path, relative: Path) -> None:
    """Import a module; compile it where it, or its package, needs the Worker's runtime."""
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not _RUNTIME_MODULES.fullmatch((error.name or "").split(".")[0]):
            raise
        compile(path.read_bytes(), path, "exec")


def _sentence(error: BaseException, src: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        place, what = _place(error.filename, error.lineno, src), f"{error.msg}"
    else:
        files = [frame for frame in traceback.extract_tb(error.__traceback__) if _in(frame, src)]
        # A mistake in a definition is found below `cognate/`, and made where that was called.
        own = [frame for frame in files if not _in(frame, src / "cognate")] or files
        place = _place(own[-1].filename, own[-1].lineno, src) if own else "src/schema.py"
        what = str(error) if type(error).__name__ == "DefinitionError" else _named(error)
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
        found = _check(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(json.dumps(found))
