"""Tests of `local.development.missing_tables`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.development.missing_tables import missing_tables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one table, and a folder with its migration."""
    (tmp_path / "0007_create_notes.sql").touch()
    path = tmp_path / "d1.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE notes (organization_id TEXT, id TEXT, body TEXT)")
    return path


def sentences(database: Path, columns: dict[str, list[str]]) -> list[str]:
    """The sentences about a schema with these tables and columns."""
    return missing_tables(database, columns, database.parent)


def test_a_table_that_is_there_needs_no_sentence(database: Path) -> None:
    """It has all needed columns, and may have more."""
    assert sentences(database, {"notes": ["organization_id", "id"]}) == []


def test_a_missing_table_is_named_with_the_file_to_write(database: Path) -> None:
    """The file has the next number."""
    [sentence] = sentences(database, {"notes": ["id"], "reviews": ["id"]})

    assert "'reviews'" in sentence
    assert "migrations/0008_create_reviews.sql" in sentence


def test_missing_columns_are_named(database: Path) -> None:
    """A new field of a record needs a column."""
    [sentence] = sentences(database, {"notes": ["id", "body", "score", "embedding"]})

    assert "'score', 'embedding'" in sentence
    assert "migrations/0008_change_notes.sql" in sentence


def test_without_migrations_the_first_number_is_one(tmp_path: Path) -> None:
    """The folder may be empty or missing."""
    assert "0001_create_a.sql" in missing_tables(tmp_path / "new", {"a": ["id"]}, tmp_path / "x")[0]
