"""The README says what the code does: its generated parts and its excerpts are held to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from cognate.search.similarity import Classification
from local.commands.generated_readme import generated

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text("utf-8")


def test_the_generated_parts_are_up_to_date() -> None:
    """The routes and the deploy command are the code's."""
    assert generated(README) == README, "run `make readme`"


def test_every_excerpt_of_the_schema_stands_there() -> None:
    """A Python block is a piece of the demonstration's schema, word for word."""
    schema = (ROOT / "tests" / "demonstration.py").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

    assert blocks != []
    assert [block for block in blocks if block not in schema] == []


def test_the_sessions_reach_every_class_and_both_bounds() -> None:
    """What a text can be to the nearest record, and what a gray zone leaves out and lets in.

    `tests/worker/test_readme.py` types them.
    """
    sessions = "".join(re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL))

    verdicts = set(re.findall(r'"verdict": "(\w+)"', sessions))
    assert {str(item) for item in Classification} == verdicts
    assert re.search(r'"min": 0\.\d+, "max": 0\.\d+', sessions)
    assert re.search(r'"high_confidence": \[\{.*"gray_zone": \[\{', sessions)


def test_every_make_target_exists() -> None:
    """No command is named that the Makefile does not know."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, flags=re.MULTILINE))
    targets = {first or second for first, second in named}

    assert {"dev", "test", "clean", "login", "deploy"} <= targets
    assert [name for name in targets if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_every_linked_file_exists() -> None:
    """A link into the repository leads somewhere."""
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_it_is_short_enough_to_be_read() -> None:
    """Under two hundred lines."""
    assert len(README.splitlines()) < 200
