"""What the README says to type works in a clean clone, from the first command on."""

from __future__ import annotations

import hashlib
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from local.deployment.planning import SECRETS_FILE
from local.setup.layout import Layout
from tests.clone import clean_clone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)
"""A set-up downloads, where the package managers' caches are empty."""

UPLOADED_SUFFIXES = (".py", ".txt", ".html", ".sql")
"""What wrangler takes from a Python Worker's folder."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A clean clone after `make setup`; only the package managers' own caches are reused."""
    layout = Layout(clean_clone(tmp_path_factory.mktemp("clean")))
    shell(layout, "make setup")
    return layout


def shell(layout: Layout, script: str) -> str:
    """Run a script as a person types it in the clone; what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=layout.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_set_up_survives_an_activated_environment(clone: Layout) -> None:
    """There is nothing to do again, and a change that needs a new environment still gets one."""
    environment = 'export PATH="$PWD/.venv/bin:$PATH"\n'
    idle = shell(clone, f"{environment}make setup")
    change = 'echo "# a change" >> requirements/bootstrap.txt\n'
    anew = shell(clone, f"{environment}{change}make setup\npytest --version")

    assert "[1/5]" not in idle
    assert "[1/5] Python environment with uv" in anew
    assert "pytest 9" in anew


def digests(folder: Path) -> dict[str, str]:
    """The files below a folder, and a hash of each."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheels_of_pywrangler_do_not_stay(clone: Layout) -> None:
    """After it the set-up puts the tested ones back."""
    (clone.python_modules / ".synced").write_text("1.17.9", "utf-8")
    shell(clone, "make setup")

    assert digests(clone.python_modules) == digests(Layout().python_modules)


def test_every_source_is_of_a_kind_that_is_uploaded() -> None:
    """A file of another kind below `src/` would be missing in production without a word."""
    sources = digests(Layout().root / "src")

    assert [name for name in sources if not name.endswith(UPLOADED_SUFFIXES)] == []


def test_the_command_in_the_readme_uploads_what_was_tested(clone: Layout) -> None:
    """The sources, and byte for byte the wheels that these tests run with; nothing else."""
    readme = (clone.root / "README.md").read_text("utf-8")
    [script] = re.findall(r"<!-- deployment:.*?```sh\n(.*?)\n```", readme, flags=re.DOTALL)
    assert re.search(r"^npx wrangler deploy .*\Z", script, flags=re.MULTILINE)
    secrets = clone.root / SECRETS_FILE
    secrets.write_text('{"BETTER_AUTH_SECRET": "a secret"}', "utf-8")

    shell(clone, f"{script} --dry-run --outdir=upload")

    uploaded = digests(clone.root / "upload")
    packages = {
        f"python_modules/{name}": digest
        for name, digest in digests(Layout().python_modules).items()
    }
    sources = digests(Layout().root / "src")
    # wrangler's own note on the folder that it wrote.
    uploaded.pop("README.md")
    assert packages != {}
    assert "entry.py" in sources
    assert uploaded == {**sources, **packages}
