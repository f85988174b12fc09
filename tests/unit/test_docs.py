"""The documents name tests and files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from cognate.api.routes import ROUTES
from cognate.settings import VARIABLES

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_test_exists(page: Path) -> None:
    """`path::name` is a test of that file, `path` a file."""
    text = page.read_text("utf-8")
    named = re.findall(r"`(tests/[\w/.]+\.\w+)(?:::(\w+))?`", text)
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or (name and f"def {name}(" not in (ROOT / path).read_text("utf-8"))
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_path_exists(page: Path) -> None:
    """A path of this repository in backticks is a file or a folder."""
    folders = r"\.ci|\.github|benchmarks|docs|local|migrations|requirements|src|tests"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)(?:::\w+)?`", page.read_text("utf-8"))

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_linked_page_exists(page: Path) -> None:
    """A link between the documents leads somewhere."""
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_pitfall_of_these_issues_has_a_test() -> None:
    """1 to 20 and 23 to 35, each in a row that names one."""
    text = (ROOT / "docs" / "pitfalls.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \|.*`tests/", text, flags=re.MULTILINE)

    assert [int(number) for number in rows] == [*range(1, 21), *range(23, 36)]


def test_every_setting_is_documented() -> None:
    """A deployment can be configured without reading the code."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")

    assert [name for name in VARIABLES if f"`{name}`" not in text] == []


def test_every_route_that_production_is_verified_by_exists() -> None:
    """An owner types them with an account at hand."""
    text = (ROOT / "docs" / "production.md").read_text("utf-8")
    named = set(re.findall(r"/healthz|/api/v1/[a-z/]+", text))

    assert named != set()
    assert named - {route.path for route in ROUTES} == set()
