"""Tests of `local.setup.installation`, and of the lock files that it installs."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from local.setup.installation import (
    PYODIDE_PLATFORM,
    installation_steps,
    uv_settings,
    vendor_command,
)
from local.setup.layout import Layout
from local.setup.steps import SetupError

if TYPE_CHECKING:
    from pathlib import Path

ROOT = Layout().root


def test_every_input_of_a_step_exists() -> None:
    """A renamed file would otherwise fail in a fresh clone only."""
    missing = [
        path for step in installation_steps(Layout()) for path in step.inputs if not path.is_file()
    ]

    assert missing == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "wrangler.toml is missing."),
        ("a = 1\na = 2\n", "wrangler.toml: Cannot overwrite a value (at line 2, column 6)."),
        ("[env.remote]\n", "wrangler.toml: 'local' is missing."),
    ],
)
def test_a_mistake_in_the_configuration_is_one_sentence(
    tmp_path: Path, text: str | None, message: str
) -> None:
    """Every command of make runs the set-up first, so a traceback would confuse people."""
    if text is not None:
        (tmp_path / "wrangler.toml").write_text(text, encoding="utf-8")

    with pytest.raises(SetupError) as caught:
        installation_steps(Layout(tmp_path))

    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["host.txt", "bootstrap.txt", "worker.txt"])
def test_requirements_are_pinned_with_hashes_and_name_no_address(name: str) -> None:
    """A lock file works with the package index of any machine."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    requirements = [line for line in text.splitlines() if re.match(r"[a-zA-Z0-9]", line)]

    assert requirements != []
    assert [line for line in requirements if "==" not in line] == []
    assert text.count("--hash=sha256:") >= len(requirements)
    assert "://" not in text


def test_the_npm_lock_names_no_registry() -> None:
    """The registry is the one that the machine is configured for."""
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))

    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


def test_npm_packages_are_exact_and_the_lock_agrees() -> None:
    """The runtime, its Pyodide and wrangler must fit together."""
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    assert wanted == {name: locked[f"node_modules/{name}"]["version"] for name in wanted}


def test_the_worker_is_deployed_with_the_versions_it_is_tested_with() -> None:
    """pyproject.toml and the lock file of the vendored packages agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (ROOT / "requirements" / "worker.txt").read_text(encoding="utf-8").lower()

    assert [name for name in project["dependencies"] if f"{name.lower()} \\" not in locked] == []


def test_uv_is_told_what_pip_was_told() -> None:
    """The configuration of pip may name a mirror or a certificate, and uv does not read it."""
    listing = (
        "global.cert='/etc/certificates.pem'\n"
        ":env:.index-url='https://mirror.example/simple'\n"
        "global.timeout='5'\n"
    )

    assert uv_settings(listing) == {
        "SSL_CERT_FILE": "/etc/certificates.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
    }


def test_no_setting_of_pip_is_no_setting_of_uv() -> None:
    """Both then use their default, which is the same index."""
    assert uv_settings("") == {}


def test_vendored_packages_are_wheels_for_pyodide_by_hash() -> None:
    """No package is built from source, and each is in the lock file."""
    command = vendor_command(ROOT / "python", ROOT / "lock.txt", ROOT / "target")

    assert {f"--platform={PYODIDE_PLATFORM}", "--require-hashes", "--only-binary=:all:"} <= set(
        command
    )
