"""Tests of `local.setup.interpreter`: the set-up works in an activated environment."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from local.setup.interpreter import python_to_change_to
from local.setup.layout import Layout
from local.setup.steps import SetupError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A checkout whose environment has a Python, and a folder beside it with another one."""
    layout = Layout(tmp_path / "checkout")
    for folder in (layout.python.parent, tmp_path / "system"):
        folder.mkdir(parents=True)
        (folder / "python3").symlink_to(sys.executable)
    return layout


def activated(layout: Layout, *folders: Path) -> dict[str, str]:
    """The environment of a shell that ran `.venv/bin/activate`."""
    return {"PATH": os.pathsep.join(map(str, [layout.python.parent, *folders]))}


def test_the_systems_python_goes_on(layout: Layout) -> None:
    """So does the Python of a person's own environment."""
    assert python_to_change_to(layout, "/usr") is None


def test_the_environments_python_changes_to_the_one_that_made_it(layout: Layout) -> None:
    """With that Python the set-up has nothing to do again, whatever PATH has."""
    layout.generated.mkdir()
    layout.maker.write_text(sys.executable, "utf-8")

    other = python_to_change_to(
        layout, str(layout.virtual_environment), activated(layout, layout.root.parent / "system")
    )

    assert other == sys.executable


@pytest.mark.parametrize("maker", ["/removed/since/python3", None])
def test_without_its_maker_the_next_python_in_the_path_is_taken(
    layout: Layout, maker: str | None
) -> None:
    """An upgrade of the system may remove it; `.venv` itself is skipped."""
    if maker is not None:
        layout.generated.mkdir()
        layout.maker.write_text(maker, "utf-8")
    system = layout.root.parent / "system"

    other = python_to_change_to(layout, str(layout.virtual_environment), activated(layout, system))

    assert other == str(system / "python3")


def test_no_other_python_is_one_sentence(layout: Layout) -> None:
    """The sentence says what to type."""
    with pytest.raises(SetupError, match="PYTHON="):
        python_to_change_to(layout, str(layout.virtual_environment), activated(layout))
