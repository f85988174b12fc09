"""What a contributor meets first: instructions, templates and hooks that are true."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[3]
CONTRIBUTING: Final = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TARGETS: Final = frozenset(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
)
TEMPLATES: Final = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def _hooks() -> list[dict[str, Any]]:
    [repository] = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks: list[dict[str, Any]] = repository["hooks"]
    return hooks


def test_every_command_is_a_make_target() -> None:
    """CONTRIBUTING.md names no target that the Makefile does not have."""
    named = set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING))

    assert {"test", "unit", "coverage", "hooks", "lock", "migration"} <= named
    assert named - TARGETS == set()


def test_every_check_has_its_time() -> None:
    """The table of targets says of each part of `make test` how long it takes."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    [first] = re.findall(r"^test: (.*) ##", makefile, flags=re.MULTILINE)
    [then] = re.findall(r"--jobs=2 (.*)$", makefile, flags=re.MULTILINE)
    parts = f"{first} {then} unit contract worker"
    timed = re.findall(r"^\| `make ([a-z-]+)` \|.*\| \d+ (?:s|min) \|$", CONTRIBUTING, re.MULTILINE)

    assert {*parts.split(), "test", "coverage"} <= set(timed)


def test_commit_hooks_call_the_installed_tools() -> None:
    """Each hook starts a program of `.venv`; none is downloaded."""
    programs = [shlex.split(hook["entry"])[0] for hook in _hooks()]

    assert [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"] == programs
    assert [name for name in programs if not (ROOT / name).is_file()] == []
    assert {"unsupported"} == {hook["language"] for hook in _hooks()}


def test_the_configuration_of_the_commit_hooks_is_understood() -> None:
    """The installed version of pre-commit reads it."""
    program = ROOT / ".venv" / "bin" / "pre-commit"
    done = subprocess.run(
        [program, "validate-config", ROOT / ".pre-commit-config.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


def test_editors_indent_and_wrap_as_the_formatter_does() -> None:
    """`.editorconfig` and `pyproject.toml` name one line length, and make wants its tabs."""
    editor = ConfigParser()
    editor.read_string("[DEFAULT]\n" + (ROOT / ".editorconfig").read_text("utf-8"))
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]

    assert editor["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert editor["*.py"]["indent_size"] == "4"
    assert editor["Makefile"]["indent_style"] == "tab"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_issue_templates_can_be_filled_in(path: Path) -> None:
    """Each template asks at least one question, and no two questions have one id."""
    template = _yaml(path)
    if path.name == "config.yml":
        assert template == {"blank_issues_enabled": True, "contact_links": []}
        return
    asked = [field["id"] for field in template["body"] if field["type"] != "markdown"]

    assert asked != []
    assert len(asked) == len(set(asked))
    assert {"name", "description", "labels", "body"} == set(template)


def test_the_development_container_is_set_up_by_make() -> None:
    """A new container runs `make setup` and shows the Worker's port."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))

    assert container["postCreateCommand"] == "make setup"
    assert "setup" in TARGETS
    assert container["forwardPorts"] == [8787]


def test_the_pull_request_template_names_targets_and_pages_that_exist() -> None:
    """What a contributor is asked to confirm can be done."""
    text = (ROOT / ".github" / "pull_request_template.md").read_text("utf-8")

    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= TARGETS
    assert all((ROOT / name).exists() for name in re.findall(r"`(\w+\.md|docs/)`", text))
