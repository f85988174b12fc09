"""Tests of `local.demo.organizations`, with both namings of Better Auth's tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.demo.organizations import DEMO_ORGANIZATIONS, seed

if TYPE_CHECKING:
    from pathlib import Path

_SESSIONS = """
SELECT session.token, organization.name, member.role, session.expires_at
FROM session
JOIN "user" ON "user".id = session.user_id
JOIN organization ON organization.id = session.active_organization_id
JOIN member ON member.user_id = "user".id AND member.organization_id = organization.id
ORDER BY session.token
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database that does not exist yet."""
    return tmp_path / "d1.sqlite"


def _rows(database: Path, sql: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def test_each_organization_has_a_member_who_is_signed_in(database: Path) -> None:
    """The session is valid for years, in the organization that its user is a member of."""
    seed(database)

    assert _rows(database, _SESSIONS) == [
        ("demo-session-acme", "Acme News", "owner", "2099-12-31T23:59:59.000Z"),
        ("demo-session-borealis", "Borealis Press", "owner", "2099-12-31T23:59:59.000Z"),
    ]


def test_seeding_again_changes_nothing(database: Path) -> None:
    """Every start seeds, and the changes of a person stay."""
    seed(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE organization SET name = 'Mine' WHERE slug = 'acme'")

    seed(database)

    assert _rows(database, "SELECT name FROM organization ORDER BY slug") == [
        ("Mine",),
        ("Borealis Press",),
    ]


def test_no_two_organizations_share_an_id() -> None:
    """Two organizations with one id would be one organization."""
    assert len({each.id for each in DEMO_ORGANIZATIONS}) == len(DEMO_ORGANIZATIONS)
