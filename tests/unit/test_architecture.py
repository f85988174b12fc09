"""The structure of the code: its rooms, their floors, its names, and what an import may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.imports import file_of, imports_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).parents[2]
SRC: Final = ROOT / "src"
LOCAL: Final = ROOT / "local"
TESTS: Final = ROOT / "tests"

FLOORS: Final = (
    # The words that everybody uses.
    {
        "chunking", "errors", "events", "ids", "models", "pagination", "ports",
        "principal", "settings", "sql", "text_limits", "times", "validation",
    },
    # Who is asking.
    {"auth"},
    # What a user writes, what `from cognate import ...` offers for it, and the user's own file.
    {"schema"},
    {"cognate"},
    {"schema.py"},
    # What is owed.
    {"jobs"},
    # How it is done.
    {"embedding"},
    # What comes in: the records of the user's tables, and texts without a table.
    {"records", "texts"},
    {"backfill"},
    # What is answered.
    {"search"},
    # Entries: HTTP, queue, clock.
    {"api", "consumer", "sweeper"},
    # The adapters over the Worker's bindings.
    {"cloudflare"},
    # What Cloudflare calls.
    {"entry.py"},
)  # fmt: skip
"""The house, from the ground up. A room stands on the floors below its own."""

RUNTIME_MODULES: Final = {"js", "pyodide", "workers"}


def _sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


MODULES: Final = _sources(SRC)


def _name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """The room of a module: `jobs` for `cognate.jobs.retry`, `schema.py` for the user's file."""
    parts = module.split(".")
    if parts[0] != "cognate":
        return f"{module}.py"
    return parts[1] if len(parts) > 1 else "cognate"


def _floor(room: str) -> int:
    [found] = [number for number, rooms in enumerate(FLOORS) if room in rooms] or [-1]
    return found


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_has_its_floor(path: Path) -> None:
    """A new room must be placed before it can be imported."""
    assert _floor(_room(_name(path))) >= 0


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_downwards(path: Path) -> None:
    """A module imports from its own room and from lower floors; the words may use each other."""
    room = _room(_name(path))
    floor = _floor(room)
    outward = {
        name
        for name in imports_of(path, SRC)
        if file_of(name, SRC)
        and _room(name) != room
        and (_floor(_room(name)) > floor or _floor(_room(name)) == floor > 0)
    }

    assert outward == set()


def _public_names(path: Path) -> Iterator[str]:
    """The public classes, functions and types that a module defines at its top level."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found = [name]
            case ast.AsyncFunctionDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                # `Scalar = str | float` is a type, `MAX_LIMIT = 50` is not.
                found = [_name_of(target) for target in targets]
                found = [name for name in found if name[:1].isupper() and not name.isupper()]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def _name_of(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else ""


def _used_twice(named: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """The names that several files have, with these files."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name, path in named:
        files[name].append(str(path.relative_to(ROOT)))
    return {name: found for name, found in files.items() if len(found) > 1}


def test_no_name_is_used_twice() -> None:
    """A public class, function or type has its name for itself, over `src/` and `local/`."""
    named = [(name, path) for path in _sources(SRC, LOCAL) for name in _public_names(path)]

    assert _used_twice(named) == {}


def test_no_module_name_is_used_twice() -> None:
    """A module has its name for itself; only a file of routes is named for its resource."""
    routes = SRC / "cognate/api/routes"
    paths = [path for path in _sources(SRC / "cognate", LOCAL) if routes not in path.parents]
    twice = _used_twice((path.stem, path) for path in paths if path.name != "__init__.py")

    assert twice == {}


def test_the_tests_have_one_stage() -> None:
    """The tests of all rooms share one stage."""
    named = [(name, path) for path in _sources(TESTS) for name in _public_names(path)]

    assert "Stage" not in _used_twice(named)


@pytest.mark.parametrize(
    ("root", "limit"), [(SRC / "cognate", 18), (LOCAL, 14)], ids=["src/cognate", "local"]
)
def test_few_files_lie_outside_of_the_rooms(root: Path, limit: int) -> None:
    """The root of a tree holds what all of its rooms use, and little else."""
    assert len(list(root.glob("*.py"))) <= limit


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_the_edge_knows_the_runtime(path: Path) -> None:
    """`js`, `pyodide` and `workers` are imported by `cognate/cloudflare/` and `entry.py` alone."""
    used = {name.split(".")[0] for name in imports_of(path, SRC)} & RUNTIME_MODULES

    assert used == set() or _room(_name(path)) in {"cloudflare", "entry.py"}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_deployed_imports_the_local_platform(path: Path) -> None:
    """`local/` and `tests/` are not in the bundle."""
    assert {name.split(".")[0] for name in imports_of(path, SRC)} & {"local", "tests"} == set()


def test_modules_of_the_local_platform_stay_readable() -> None:
    """No module of `local/` has more than 400 lines."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in _sources(LOCAL)}

    assert {str(path): count for path, count in lines.items() if count > 400} == {}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_stay_readable(path: Path) -> None:
    """No module has more than 400 lines, and the entry at most 60."""
    limit = 60 if path.name == "entry.py" else 400

    assert len(path.read_text("utf-8").splitlines()) <= limit


WITHOUT_TESTS_OF_THEIR_OWN: Final = {
    # Values and errors without behaviour.
    "cognate.errors", "cognate.principal",
    "schema",
    # Run by the contract suites and the Worker tests, in the only runtime that has what they need.
    "entry",
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_has_its_tests(path: Path) -> None:
    """Beside those that are named above, `cognate/a/b.py` has `tests/unit/a/test_b.py`."""
    name = _name(path)
    exempt = name in WITHOUT_TESTS_OF_THEIR_OWN or _room(name) == "cloudflare"
    if exempt or path.name == "__init__.py":
        return
    relative = path.relative_to(SRC / "cognate")
    test = Path(__file__).parent / relative.with_name(f"test_{path.name}")

    assert test.is_file()


def test_importing_has_no_side_effect() -> None:
    """No clock, randomness, environment, file or connection is touched while modules are made."""
    pure = [_name(path) for path in MODULES if _room(_name(path)) not in {"cloudflare", "entry.py"}]
    program = f"""
import sys
sys.path.insert(0, {str(SRC)!r})
# What the standard library and pydantic do when they are imported is not ours.
import array, asyncio, base64, dataclasses, datetime, enum, hashlib, hmac, itertools, json, math
import os, random, re, secrets, struct, time, typing, urllib.parse
import pydantic
class Made(pydantic.BaseModel):
    name: str | None = None

def forbidden(*args, **kwargs):
    raise RuntimeError("an import touched the world")

def forbidden_to_us(original):
    def call(*args, **kwargs):
        if sys._getframe(1).f_globals["__name__"].split(".")[0] in ("cognate", "schema"):
            forbidden()
        return original(*args, **kwargs)
    return call

# Pydantic asks the environment whenever a model is made; that is its own affair.
type(os.environ).__getitem__ = forbidden_to_us(type(os.environ).__getitem__)
type(os.environ).get = forbidden_to_us(type(os.environ).get)
os.getenv = forbidden_to_us(os.getenv)
os.urandom = random.random = random.getrandbits = secrets.token_bytes = forbidden
secrets.randbits = secrets.token_hex = time.time = time.monotonic = time.perf_counter = forbidden

def audit(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes or event.startswith(("socket.", "subprocess.")):
        forbidden()
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import importlib
for name in {pure!r}:
    importlib.import_module(name)
print("imported", len({pure!r}))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False
    )

    assert f"imported {len(pure)}\n" == done.stdout, done.stderr
