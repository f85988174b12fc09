"""The rooms of `local/`, their floors, and which of them could serve any wrangler project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.imports import imports_of

ROOT: Final = Path(__file__).parents[3]
LOCAL: Final = ROOT / "local"

FLOORS: Final = (
    # What two rooms or more raise.
    {"failures"},
    # What a checkout needs installed; models; Vectorize.
    {"setup", "ai", "vectorize"},
    # The process behind the bindings; `wrangler dev`; what a Cloudflare account needs.
    {"bindings", "running", "deployment"},
    # From here on: Cognate. Two organizations to try things with.
    {"demo"},
    # The ports of the core on this machine; what `make dev` adds to `wrangler dev`.
    {"adapters", "development"},
    # The commands of `make`.
    {"commands"},
)
GENERIC: Final = {"failures", "setup", "ai", "vectorize", "bindings", "running", "deployment"}
"""The rooms that could serve any wrangler project."""

WORDS_OF_THE_PROJECT: Final = re.compile(
    r"cognate|claim|organi[sz]ation|embeddings?_job|better.?auth|backfill|sweeper|similarit",
    re.IGNORECASE,
)
MAX_LINES: Final = 400
MAX_ROOMS_AND_MODULES: Final = 14

MODULES: Final = sorted(LOCAL.rglob("*.py"))
ROOMS: Final = {
    path.stem if path.is_file() else path.name
    for path in LOCAL.iterdir()
    if path.suffix == ".py" or (path / "__init__.py").is_file()
} - {"__init__"}


def _name(path: Path) -> str:
    return path.relative_to(LOCAL).as_posix()


def _room(path: Path) -> str:
    return path.relative_to(LOCAL).with_suffix("").parts[0]


def _floor(room: str) -> int:
    [found] = [number for number, rooms in enumerate(FLOORS) if room in rooms]
    return found


def _rooms_of(imports: set[str]) -> set[str]:
    return {name.split(".")[1] for name in imports if name.startswith("local.")}


def test_every_room_has_its_floor() -> None:
    """A new room must get a floor, and a removed one must leave the list."""
    assert set.union(*FLOORS) == ROOMS
    assert len(ROOMS) <= MAX_ROOMS_AND_MODULES


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_downwards(path: Path) -> None:
    """A room imports itself and rooms of lower floors, but none of its own floor."""
    room = _room(path)
    if room == "__init__":
        return
    rooms = _rooms_of(imports_of(path, ROOT)) - {room}

    assert {other for other in rooms if _floor(other) >= _floor(room)} == set()


@pytest.mark.parametrize("path", [path for path in MODULES if _room(path) in GENERIC], ids=_name)
def test_a_generic_room_knows_no_project(path: Path) -> None:
    """It imports neither the Worker's code nor a room that does."""
    imports = imports_of(path, ROOT)

    assert {name.split(".")[0] for name in imports} & {"cognate", "schema", "entry"} == set()
    assert _rooms_of(imports) <= GENERIC


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(LOCAL.rglob("*"))
        if path.is_file() and path.suffix in {".py", ".js", ".mjs"} and _room(path) in GENERIC
    ],
    ids=_name,
)
def test_a_generic_room_has_no_word_of_the_project(path: Path) -> None:
    """Names and values of the project are passed in; `local.PROJECT` is the name for sentences."""
    lines = path.read_text("utf-8").splitlines()

    assert [line for line in lines if WORDS_OF_THE_PROJECT.search(line)] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_of_local_stay_readable(path: Path) -> None:
    """No module has more than 400 lines."""
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES
