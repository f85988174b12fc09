"""Tests of `local.demo.better_auth`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.demo.better_auth import auth_tables, in_naming

if TYPE_CHECKING:
    from cognate.settings import AuthNaming


def test_camel_case_names_every_column_so() -> None:
    """Better Auth's own adapter uses these names."""
    sql = "SELECT ban_expires, active_organization_id FROM session WHERE user_id = ?"

    assert in_naming(sql, "snake_case") == sql
    assert in_naming(sql, "camelCase") == (
        "SELECT banExpires, activeOrganizationId FROM session WHERE userId = ?"
    )


@pytest.mark.parametrize("naming", ["snake_case", "camelCase"])
def test_tables_that_are_there_stay_as_they_are(naming: AuthNaming) -> None:
    """Each start of `make dev` runs the script."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute('CREATE TABLE "user" (id TEXT PRIMARY KEY, of_somebody TEXT)')
        for _ in range(2):
            connection.executescript(auth_tables(naming))
        [(sql,)] = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'user'")

    assert "of_somebody" in sql
