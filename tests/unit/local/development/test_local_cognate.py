"""Tests of `local.development.local_cognate`: it signs the organizations in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.development.local_cognate import LocalCognate
from local.failures import StartError
from local.running.local_worker import LocalConfig
from local.setup.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

AUTH_DB = """
[env.local]
d1_databases = [{ binding = "DB" }, { binding = "AUTH_DB" }]
"""


def test_sessions_are_written_where_auth_db_is_bound(tmp_path: Path) -> None:
    """They are in the file of AUTH_DB and in no other."""
    (tmp_path / "wrangler.toml").write_text(AUTH_DB, "utf-8")
    worker = LocalCognate(LocalConfig(state=tmp_path), Layout(tmp_path))

    worker.prepare()

    with closing(sqlite3.connect(worker.auth_database)) as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (2,)


def test_tables_of_another_naming_are_one_sentence(tmp_path: Path) -> None:
    """It names the setting and the file, and nothing is half written."""
    (tmp_path / "wrangler.toml").write_text(AUTH_DB, "utf-8")
    layout = Layout(tmp_path)
    LocalCognate(LocalConfig(state=tmp_path), layout).prepare()
    camel = LocalConfig(state=tmp_path, variables={"AUTH_COLUMN_NAMING": "camelCase"})
    with pytest.raises(StartError, match="AUTH_COLUMN_NAMING may be wrong"):
        LocalCognate(camel, layout).prepare()


def test_a_naming_that_cannot_be_meant_is_one_sentence(tmp_path: Path) -> None:
    """The error comes before any file is made."""
    (tmp_path / "wrangler.toml").write_text(AUTH_DB, "utf-8")
    odd = LocalConfig(state=tmp_path, variables={"AUTH_COLUMN_NAMING": "kebab"})
    with pytest.raises(StartError, match="AUTH_COLUMN_NAMING must be one of"):
        LocalCognate(odd, Layout(tmp_path)).prepare()
