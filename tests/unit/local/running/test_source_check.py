"""Tests of `local.running.source_check`, with the schema's check: a mistake is one sentence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from local.development.schema_summary import SCHEMA_CHECK, SchemaSummary
from local.running.source_check import SourceMistake
from local.setup.layout import ROOT, Layout
from local.vectorize.index_config import parse_index_config

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = """
from cognate import Cognate, Embeddings, Record, Similarity, Table

class Note(Record):
    text: str
    story_id: str | None = None

notes = Table("notes", Note, embeddings=Embeddings(fields=["text"], metadata=["story_id"]))
plain = Table("plain", Note, soft_delete=True)
app = Cognate(tables=[notes, plain], similarities=[Similarity("noteSimilarity", notes)])
"""


@pytest.fixture
def src(tmp_path: Path, compiled: Path) -> Path:
    """A copy of the sources with a schema of its own."""
    (tmp_path / "compiled").symlink_to(compiled)
    copy = tmp_path / "src"
    shutil.copytree(ROOT / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "schema.py").write_text(SCHEMA, "utf-8")
    return copy


def check(src: Path) -> SchemaSummary:
    """Check a copy of the sources."""
    return SCHEMA_CHECK.run(src, Layout().python_modules.resolve(), src.parent / "compiled")


def mistake_of(src: Path) -> str:
    """The sentence about the mistake in a copy of the sources."""
    with pytest.raises(SourceMistake) as mistake:
        check(src)
    return str(mistake.value)


def test_the_summary_is_of_the_schema_in_the_folder(src: Path) -> None:
    """It has the columns of the SQL tables, and the indexes that Vectorize takes."""
    summary = check(src)

    key, times = ["organization_id", "id"], ["created_at", "updated_at"]
    assert summary.columns == {
        "notes": [*key, "text", "story_id", "embedding", *times],
        "plain": [*key, "text", "story_id", *times, "deleted_at"],
    }
    assert summary.services == ["noteSimilarity"]
    indexes = {index.binding: index for index in parse_index_config(summary.indexes)}
    assert indexes.keys() == {"VECTORIZE", "VECTORIZE_384", "VECTORIZE_1024"}
    assert indexes["VECTORIZE"].metadata_indexes["storyId"] == "string"


@pytest.mark.parametrize(
    ("addition", "sentence"),
    [
        ("app = Cognate(tables=[notes, notes])", "two tables are called 'notes'"),
        ("app = Cognate(", "'(' was never closed"),
        ("app = Cognat()", "NameError: name 'Cognat' is not defined"),
        ("raise SystemExit", "SystemExit"),
        ("raise ValueError('two\\nlines.')", "ValueError: two lines"),
        ("import numpy", "the Worker has no package 'numpy', though this machine has it"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(src: Path, addition: str, sentence: str) -> None:
    """The line is in the schema, though the library finds the mistake."""
    (src / "schema.py").write_text(f"{SCHEMA}\n{addition}\n", "utf-8")

    line = len(SCHEMA.splitlines()) + 2
    told = mistake_of(src)
    assert told.startswith(f"src/schema.py, line {line}: ")
    assert sentence in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ["entry.py", "cognate/cloudflare/queues.py", "cognate/sweeper.py"])
def test_a_mistake_in_another_module_is_found_too(src: Path, name: str) -> None:
    """The syntax of modules that only the Worker can import is checked too."""
    (src / name).write_text("def :\n", "utf-8")

    assert mistake_of(src) == f"src/{name}, line 1: invalid syntax."


@pytest.mark.parametrize(
    "name", ["js", "pyodide.ffi", "pyodide_js", "workers", "_cloudflare_compat_flags"]
)
def test_a_module_of_the_runtime_is_no_mistake(src: Path, name: str) -> None:
    """A module that imports it is checked for syntax only."""
    (src / "mine.py").write_text(f"import {name}\n", "utf-8")

    assert check(src).services == ["noteSimilarity"]


def test_a_schema_without_app_is_told_what_is_missing(src: Path) -> None:
    """The Worker reads this name."""
    (src / "schema.py").write_text("", "utf-8")

    assert "has no attribute 'app'" in mistake_of(src)


def test_a_source_that_ends_python_is_told(src: Path) -> None:
    """The process of the check ends, and `make dev` does not."""
    (src / "schema.py").write_text("import os\nos._exit(3)\n", "utf-8")

    assert mistake_of(src) == "src/: importing the sources ended Python with status 3."


def test_a_source_that_never_ends_is_told(src: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check gives up after some seconds."""
    monkeypatch.setattr("local.running.source_check._CHECK_SECONDS", 0.5)
    (src / "schema.py").write_text("while True: pass\n", "utf-8")

    assert "took more than" in mistake_of(src)


def test_what_a_source_prints_is_no_answer(src: Path) -> None:
    """A forgotten `print` is no mistake."""
    (src / "schema.py").write_text(f"print('here')\n{SCHEMA}", "utf-8")

    assert check(src).services == ["noteSimilarity"]
