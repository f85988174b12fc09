"""Two organizations for the demonstration, the same on every machine, signed in from the start.

They are written into the SQLite file in which Miniflare keeps the local D1. Their session tokens
are public. That is no risk, because they are valid on the loopback address of one machine only.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local.demo.better_auth import auth_tables, in_naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from cognate.settings import AuthNaming

SESSION_EXPIRES_AT: Final = "2099-12-31T23:59:59.000Z"
_MADE_AT: Final = "2026-11-01T00:00:00.000Z"


@dataclass(frozen=True)
class DemoOrganization:
    """One organization with one member, who has one session.

    Attributes:
        slug: part of the ids of all rows.
        name: the name that a person reads.
        member: the name of its only user.
    """

    slug: str
    name: str
    member: str

    @property
    def id(self) -> str:
        """The organization's id."""
        return f"org_{self.slug}"

    @property
    def user_id(self) -> str:
        """The id of its only user."""
        return f"user_{self.slug}"

    @property
    def session_token(self) -> str:
        """The token that the user sends as `Authorization: Bearer ...`."""
        return f"demo-session-{self.slug}"


DEMO_ORGANIZATIONS: Final = (
    DemoOrganization("acme", "Acme News", "Ada"),
    DemoOrganization("borealis", "Borealis Press", "Bo"),
)


def seed(
    database: Path,
    organizations: Iterable[DemoOrganization] = DEMO_ORGANIZATIONS,
    naming: AuthNaming = "snake_case",
) -> None:
    """Write the organizations with their users and sessions. Existing rows stay as they are.

    Args:
        database: the SQLite file for Better Auth's tables. Missing tables are created.
        organizations: the organizations to write.
        naming: the naming of the tables' columns.

    Raises:
        sqlite3.Error: the existing tables have other columns.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(auth_tables(naming))
        for organization in organizations:
            for table, row in _rows(organization):
                names, marks = ", ".join(row), ", ".join("?" for _ in row)
                # An existing row is skipped. A missing column or value is an error.
                sql = f'INSERT INTO "{table}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'  # noqa: S608 - the names above
                connection.execute(in_naming(sql, naming), tuple(row.values()))


def _rows(organization: DemoOrganization) -> Iterator[tuple[str, dict[str, object]]]:
    """A row for each table, with the columns that Better Auth requires or Cognate reads."""
    made = {"created_at": _MADE_AT}
    user, member = organization.user_id, f"member_{organization.slug}"
    email = f"demo@{organization.slug}.example"
    named = {"id": user, "name": organization.member, "email": email, "email_verified": 0}
    yield "user", {**named, **made, "updated_at": _MADE_AT}
    yield (
        "organization",
        {
            "id": organization.id,
            "name": organization.name,
            "slug": organization.slug,
            **made,
        },
    )
    belongs = {"organization_id": organization.id, "user_id": user}
    yield "member", {"id": member, **belongs, "role": "owner", **made}
    yield (
        "session",
        {
            "id": f"session_{organization.slug}",
            "token": organization.session_token,
            "user_id": user,
            "expires_at": SESSION_EXPIRES_AT,
            "active_organization_id": organization.id,
            **made,
            "updated_at": _MADE_AT,
        },
    )
