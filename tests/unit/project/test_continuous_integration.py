"""Continuous integration runs what a person runs, on the versions that the project names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from local.setup.installation import PYODIDE_PYTHON

ROOT: Final = Path(__file__).parents[3]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _yaml(*path: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(*path).read_text("utf-8"))


def _test_job() -> dict[str, Any]:
    job: dict[str, Any] = _yaml(".github", "workflows", "ci.yml")["jobs"]["test"]
    return job


def test_it_runs_what_a_person_runs() -> None:
    """The workflow has one command, `.ci/run`, and that one is `make test`."""
    script = ROOT / ".ci" / "run"

    assert [".ci/run"] == [step["run"] for step in _test_job()["steps"] if "run" in step]
    assert script.stat().st_mode & 0o111
    assert "exec make test" in script.read_text("utf-8").splitlines()


def test_it_runs_on_both_systems_and_both_ends_of_the_python_versions() -> None:
    """Linux and macOS, with the oldest Python of the host and with the Worker's own."""
    matrix = _test_job()["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    oldest, own = matrix["python"]
    major, minor = oldest.split(".")
    supported = SpecifierSet(project["requires-python"])

    assert ["macos", "ubuntu"] == sorted(name.split("-")[0] for name in matrix["os"])
    assert own == PYODIDE_PYTHON
    assert oldest in supported
    assert f"{major}.{int(minor) - 1}" not in supported


def test_the_python_of_this_folder_is_the_oldest_that_is_tested() -> None:
    """`.python-version` and the development container have the host's oldest Python."""
    oldest = _test_job()["strategy"]["matrix"]["python"][0]

    assert f"{oldest}\n" == (ROOT / ".python-version").read_text("utf-8")
    assert f"-{oldest}-" in _yaml(".devcontainer", "devcontainer.json")["image"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """Each action is named by the hash of a commit, with its version beside."""
    used = re.findall(r"uses: (.*)", path.read_text("utf-8"))

    assert used != []
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read(path: Path) -> None:
    """A pull request can run any code, so no workflow has a secret or may write."""
    text = path.read_text("utf-8")

    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "pull_request_target" not in text


def test_only_downloads_that_are_checked_again_are_cached() -> None:
    """Both npm and pip compare a cached file with the lock file; no installed file is kept."""
    [cache] = [step for step in _test_job()["steps"] if "actions/cache@" in step.get("uses", "")]

    assert ["~/.npm/_cacache", "~/.cache/pip", "~/Library/Caches/pip"] == cache["with"][
        "path"
    ].split()
    assert "hashFiles('package-lock.json', 'requirements/*.txt')" in cache["with"]["key"]


def test_every_kind_of_dependency_is_updated_once_a_week() -> None:
    """Python, npm and the actions, each kind in one pull request."""
    updates = _yaml(".github", "dependabot.yml")["updates"]

    assert ["github-actions", "npm", "pip"] == sorted(each["package-ecosystem"] for each in updates)
    assert all(each["schedule"] == {"interval": "weekly"} for each in updates)
    assert all(
        [group["patterns"] for group in each["groups"].values()] == [["*"]] for each in updates
    )
