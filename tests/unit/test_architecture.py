"""The structure of the code: who may import whom, and what an import may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SRC: Final = Path(__file__).parents[2] / "src"

FLOORS: Final = (
    # The words that everybody uses.
    {
        "chunking", "errors", "events", "ids", "models", "pagination", "ports",
        "principal", "settings", "sql", "text_limits", "times", "validation",
    },
    # What a user writes.
    {"cognate", "schema"},
    {"auth"},
    # What is owed, and the texts that come in without a table.
    {"jobs", "texts"},
    # How it is done.
    {"embedding"},
    # The records that come in.
    {"records"},
    {"backfill"},
    # What is answered.
    {"search"},
    # Entries: HTTP, queue, clock.
    {"api", "consumer", "sweeper"},
    # The adapters over the Worker's bindings.
    {"cloudflare"},
    # What Cloudflare calls.
    {"entry"},
)  # fmt: skip
RUNTIME_MODULES: Final = {"js", "pyodide", "workers"}
MODULES: Final = sorted(SRC.rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _unit(module: str) -> str:
    """The part of the code that a module belongs to: `jobs` of `cognate.jobs.retry`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "cognate" and len(parts) > 1 else parts[0]


def _floor(unit: str) -> int:
    [found] = [number for number, units in enumerate(FLOORS) if unit in units] or [-1]
    return found


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, also those it imports for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            # `from cognate.api import health` imports the module `cognate.api.routes.health`.
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if _file_of(name)} or {module}
    return found


def _file_of(module: str) -> Path | None:
    base = SRC.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_has_its_floor(path: Path) -> None:
    """A new part of the code must be placed before it can be imported."""
    assert _floor(_unit(_name(path))) >= 0


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_downwards(path: Path) -> None:
    """No module imports one of a higher floor."""
    own = _floor(_unit(_name(path)))
    outward = {
        name
        for name in _imports(path)
        # The SDK-facing facade finds the user's schema by name, and says so there.
        if _file_of(name) and _floor(_unit(name)) > own
    }

    assert outward == set()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_only_the_edge_knows_the_runtime(path: Path) -> None:
    """`js`, `pyodide` and `workers` are imported by `cognate/cloudflare/` and `entry.py` alone."""
    used = {name.split(".")[0] for name in _imports(path)} & RUNTIME_MODULES

    assert used == set() or _unit(_name(path)) in {"cloudflare", "entry"}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_deployed_imports_the_local_platform(path: Path) -> None:
    """`local/` and `tests/` are not in the bundle."""
    assert {name.split(".")[0] for name in _imports(path)} & {"local", "tests"} == set()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_stay_readable(path: Path) -> None:
    """No module has more than 400 lines, and the entry at most 60."""
    limit = 60 if path.name == "entry.py" else 400

    assert len(path.read_text("utf-8").splitlines()) <= limit


WITHOUT_TESTS_OF_THEIR_OWN: Final = {
    # Values and errors without behaviour.
    "cognate.errors", "cognate.principal", "cognate.records.operations", "cognate.api.route",
    "schema",
    # Run by the contract suites and the Worker tests, in the only runtime that has what they need.
    "entry",
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_has_its_tests(path: Path) -> None:
    """Beside those that are named above, `cognate/a/b.py` has `tests/unit/a/test_b.py`."""
    name = _name(path)
    exempt = name in WITHOUT_TESTS_OF_THEIR_OWN or _unit(name) == "cloudflare"
    if exempt or path.name == "__init__.py":
        return
    relative = path.relative_to(SRC / "cognate")
    test = Path(__file__).parent / relative.with_name(f"test_{path.name}")

    assert test.is_file()


def test_importing_has_no_side_effect() -> None:
    """No clock, randomness, environment, file or connection is touched while modules are made."""
    pure = [_name(path) for path in MODULES if _unit(_name(path)) not in {"cloudflare", "entry"}]
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
