"""What the README says to type works in a clean clone, from the first command on."""

from __future__ import annotations

import subprocess

import pytest

from local.layout import Layout
from tests.clone import clean_clone


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
