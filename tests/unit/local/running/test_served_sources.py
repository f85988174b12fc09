"""Tests of `local.running.served_sources`: the copy changes only after a check."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from local.development.schema_summary import SCHEMA_CHECK, SchemaSummary
from local.running.served_sources import ServedSources
from local.running.source_check import SourceMistake
from local.setup.layout import ROOT, Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources and of the configuration."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wrangler.toml", folder)
    (folder / "python_modules").symlink_to(ROOT / "python_modules")
    return folder


@pytest.fixture
def sources(checkout: Path, tmp_path: Path, compiled: Path) -> ServedSources[SchemaSummary]:
    """The served sources of the checkout, after the start."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "compiled").symlink_to(compiled)
    served = ServedSources(Layout(checkout), tmp_path / "state", SCHEMA_CHECK)
    served.start()
    return served


def settle(sources: ServedSources[SchemaSummary]) -> bool:
    """Whether files were saved. Asks twice, as the supervisor does."""
    sources.have_changed()
    return sources.have_changed()


def test_the_copy_has_what_wrangler_reads_and_nothing_else(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """It has the sources and the configuration, and links the packages."""
    served = sources.folder

    assert (served / "src" / "schema.py").read_bytes() == (
        checkout / "src" / "schema.py"
    ).read_bytes()
    assert {path.name for path in served.iterdir()} == {"src", "wrangler.toml", "python_modules"}
    assert list(served.rglob("__pycache__")) == [
        path for path in served.rglob("__pycache__") if "python_modules" in path.parts
    ]


def test_what_is_saved_without_a_mistake_is_served(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """Changed, new and removed files are served, once."""
    assert not settle(sources)
    (checkout / "src" / "schema.py").write_text(
        f"{(ROOT / 'src' / 'schema.py').read_text('utf-8')}\n# changed\n", "utf-8"
    )
    (checkout / "src" / "mine.py").write_text("", "utf-8")
    assert settle(sources)

    contents, summary = sources.check()
    assert sources.serve(contents)

    assert "claims" in summary.columns
    assert (sources.folder / "src" / "schema.py").read_text("utf-8").endswith("# changed\n")
    assert (sources.folder / "src" / "mine.py").is_file()
    assert not settle(sources)
    (checkout / "src" / "mine.py").unlink()
    assert settle(sources)
    sources.serve(sources.check()[0])
    assert not (sources.folder / "src" / "mine.py").exists()


def test_several_files_saved_one_after_the_other_are_one_change(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """The check waits until no file changes any more."""
    (checkout / "src" / "one.py").write_text("", "utf-8")
    assert not sources.have_changed()
    (checkout / "src" / "two.py").write_text("", "utf-8")
    assert not sources.have_changed()
    assert sources.have_changed()


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("src/schema.py", "app = ", "src/schema.py, line 1: "),
        ("wrangler.toml", "name = ", "wrangler.toml: "),
    ],
)
def test_what_has_a_mistake_is_not_served(
    sources: ServedSources[SchemaSummary], checkout: Path, name: str, text: str, sentence: str
) -> None:
    """The copy stays, and the mistake is reported once."""
    before = (sources.folder / name).read_bytes()
    (checkout / name).write_text(text, "utf-8")
    assert settle(sources)

    with pytest.raises(SourceMistake) as mistake:
        sources.check()

    assert str(mistake.value).startswith(sentence)
    assert before == (sources.folder / name).read_bytes()
    assert not settle(sources)


def test_saving_what_is_served_already_changes_nothing(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """The program wrangler would restart the Worker without need."""
    (checkout / "src" / "schema.py").touch()
    assert settle(sources)

    assert not sources.serve(sources.check()[0])


def test_what_the_runtime_refuses_can_be_taken_back(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """The import on the host does not find every mistake."""
    before = (sources.folder / "src" / "schema.py").read_bytes()
    with (checkout / "src" / "schema.py").open("a", encoding="utf-8") as schema:
        schema.write("\nimport secrets\nKEY = secrets.token_hex()\n")
    assert settle(sources)
    assert sources.serve(sources.check()[0])

    sources.roll_back()

    assert before == (sources.folder / "src" / "schema.py").read_bytes().rstrip() + b"\n"


def test_what_is_taken_back_is_what_was_kept(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """A later version may never have run."""
    for number in range(3):
        (checkout / "src" / "number.py").write_text(f"NUMBER = {number}\n", "utf-8")
        assert settle(sources)
        sources.serve(sources.check()[0])
        if number == 0:
            sources.keep()

    sources.roll_back()

    assert "NUMBER = 0\n" == (sources.folder / "src" / "number.py").read_text("utf-8")


def test_a_mistake_at_the_start_is_told_before_anything_runs(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """The copy of the earlier start stays."""
    before = (sources.folder / "wrangler.toml").read_bytes()
    (checkout / "wrangler.toml").unlink()

    with pytest.raises(SourceMistake, match="is missing"):
        sources.start()

    assert before == (sources.folder / "wrangler.toml").read_bytes()


def test_a_served_file_that_becomes_shorter_is_not_cut_off(
    sources: ServedSources[SchemaSummary], checkout: Path
) -> None:
    """Truncating would be a second event, and wrangler could read between the two."""
    served = sources.folder / "src" / "schema.py"
    before, inode = served.read_bytes(), served.stat().st_ino
    (checkout / "src" / "schema.py").write_bytes(before.replace(b"articleSimilarity", b"twins"))
    assert settle(sources)
    contents, _ = sources.check()
    assert sources.serve(contents)

    after = served.read_bytes()
    assert after.rstrip() == contents["src/schema.py"].rstrip()
    assert (len(before), inode) == (len(after), served.stat().st_ino)
