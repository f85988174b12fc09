"""Two organizations to try things with: the same on every machine, signed in from the start.

They are written straight into the SQLite file in which Miniflare keeps the local D1. The tokens are
public, which is no risk: they exist on the loopback address of one machine only.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SESSION_EXPIRES_AT: Final = "2099-12-31T23:59:59.000Z"


@dataclass(frozen=True)
class DemoOrganization:
    """One organization with one member, who has one session.

    Attributes:
        slug: what the ids of all rows are made from.
        name: as a person reads it.
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
        """What the user sends as `Authorization: Bearer ...`."""
        return f"demo-session-{self.slug}"


DEMO_ORGANIZATIONS: Final = (
    DemoOrganization("acme", "Acme News", "Ada"),
    DemoOrganization("borealis", "Borealis Press", "Bo"),
)


def seed(database: Path, organizations: Iterable[DemoOrganization] = DEMO_ORGANIZATIONS) -> None:
    """Write the organizations, their users and sessions; what is there already stays as it is."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for organization in organizations:
            _seed_one(connection, organization)


def _seed_one(connection: sqlite3.Connection, organization: DemoOrganization) -> None:
    connection.execute(
        'INSERT OR IGNORE INTO "user" (id, name, email) VALUES (?, ?, ?)',
        (organization.user_id, organization.member, f"demo@{organization.slug}.example"),
    )
    connection.execute(
        "INSERT OR IGNORE INTO organization (id, name, slug) VALUES (?, ?, ?)",
        (organization.id, organization.name, organization.slug),
    )
    connection.execute(
        "INSERT OR IGNORE INTO member (id, organization_id, user_id, role) VALUES (?, ?, ?, ?)",
        (f"member_{organization.slug}", organization.id, organization.user_id, "owner"),
    )
    connection.execute(
        "INSERT OR IGNORE INTO session (id, token, user_id, expires_at, active_organization_id)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            f"session_{organization.slug}",
            organization.session_token,
            organization.user_id,
            SESSION_EXPIRES_AT,
            organization.id,
        ),
    )
