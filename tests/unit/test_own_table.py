"""A user adds a table as `docs/records.md` says, and the project's own tests stay green."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from local.development.schema_summary import SCHEMA_CHECK
from local.setup.layout import ROOT
from tests.demonstration import app
from tests.workshop import checkout_with

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = (ROOT / "docs" / "records.md").read_text("utf-8").split("## Adding a table")[1]
LINKED: Final = (".local", ".venv", "node_modules", "python_modules")
COPIED: Final = (
    *("src", "local", "migrations", "tests", "docs", "requirements", "benchmarks"),
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"),
    *("Makefile", "wrangler.toml", "pyproject.toml", "package.json"),
    *("package-lock.json", ".npmrc", ".gitignore"),
)
READS_THE_USERS_FILES: Final = re.compile(r'from schema import|"migrations"|"README\.md"')
"""Found in a test that reads files which users change."""

RUNS_IN_THE_WORKER: Final = re.compile(
    r"^(import entry|from tests\.worker import instrumented)$", re.MULTILINE
)
"""Found in a module of the tests that is, or becomes, the entry of the Worker."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".wrangler")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    return tmp_path


def run(checkout: Path, command: str) -> None:
    """Run a shell command as a user does, after the set-up."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def block(language: str) -> str:
    """The page's first block in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert found is not None
    return found[1]


def test_a_table_of_ones_own_turns_no_test_red(checkout: Path) -> None:
    """A table is added as the page says, and every test that reads one of these files passes."""
    schema = checkout / "src" / "schema.py"
    before, _app = schema.read_text("utf-8").split("\napp = ")
    schema.write_text(f"{before}\n\n{block('python')}", "utf-8")
    makefile = checkout / "Makefile"
    # The set-up would install everything anew, because the folder is another one.
    text = makefile.read_text("utf-8")
    makefile.write_text(
        re.sub(r"^(migration|readme): setup", r"\1:", text, flags=re.MULTILINE), "utf-8"
    )

    run(checkout, f"MAKEFLAGS=--no-print-directory {block('sh').strip()}")
    run(checkout, "make readme")

    assert 'CREATE TABLE "remarks"' in (
        checkout / "migrations" / "0009_create_remarks.sql"
    ).read_text("utf-8")
    tests = [
        str(path.relative_to(checkout))
        for path in sorted((checkout / "tests" / "unit").rglob("test_*.py"))
        if READS_THE_USERS_FILES.search(path.read_text("utf-8"))
        and path.name != "test_own_table.py"
    ]
    assert {"tests/unit/test_readme.py", "tests/unit/schema/test_ddl.py"} < set(tests)
    run(checkout, f".venv/bin/python -m pytest -q -x -p no:cacheprovider {' '.join(tests)}")


def test_the_worker_is_tested_with_the_demonstrations_schema(tmp_path: Path) -> None:
    """This holds for the checkouts that the tests start, and for the tests on the host."""
    layout = checkout_with(tmp_path, ROOT / "src" / "entry.py", [])
    served = SCHEMA_CHECK.run(tmp_path / "src", layout.python_modules, tmp_path / "compiled")
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in sorted((tmp_path / "migrations").glob("*.sql")):
            connection.executescript(migration.read_text("utf-8"))
        made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}

    assert (ROOT / "tests" / "demonstration.py").read_bytes() == (
        tmp_path / "src" / "schema.py"
    ).read_bytes()
    assert list(app.tables) == list(served.columns)
    assert made.issuperset(app.tables)
    # Inside the Worker the demonstration has this name; what is deployed is the user's.
    texts = {
        path.name: path.read_text("utf-8")
        for folder in ("worker", "contract")
        for path in (ROOT / "tests" / folder).glob("*.py")
        if path.name != "test_deploy.py"
    }
    asking = {name for name, text in texts.items() if "from schema import" in text}
    in_the_worker = {name for name, text in texts.items() if RUNS_IN_THE_WORKER.search(text)}
    assert asking <= in_the_worker
