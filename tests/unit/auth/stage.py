"""What the tests of sessions play on: SQLite with Better Auth's tables, and a clock."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cognate.cloudflare.platform_errors import database_error
from cognate.errors import DatabaseError
from local.demo.better_auth import auth_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Row, Statement

MIGRATIONS = Path(__file__).parents[3] / "migrations"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = "2026-12-01T00:00:00.000Z"
EARLIER = "2026-11-20T11:59:59.999Z"

CAMEL_CASE_TABLES = """
CREATE TABLE "user" (id TEXT PRIMARY KEY, name TEXT, email TEXT, banned INTEGER, banExpires TEXT);
CREATE TABLE organization (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE member (id TEXT PRIMARY KEY, organizationId TEXT, userId TEXT, role TEXT);
CREATE TABLE session (id TEXT PRIMARY KEY, token TEXT UNIQUE, userId TEXT, expiresAt TEXT,
  activeOrganizationId TEXT);
"""


@dataclass
class FixedClock:
    """A clock that stands still until it is moved."""

    time: datetime = NOW

    def now(self) -> datetime:
        """The time it was set to."""
        return self.time

    def advance(self, **by: float) -> None:
        """Move on, by arguments of `timedelta`."""
        self.time += timedelta(**by)


@dataclass
class SqliteDatabase:
    """D1 as far as these tests need it: a batch is one transaction, and is counted."""

    connection: sqlite3.Connection
    batches: int = 0
    fails: bool = False
    statements: list[str] = field(default_factory=list)

    @classmethod
    def migrated(cls) -> SqliteDatabase:
        """An empty database with Better Auth's tables and every migration applied."""
        connection = _connect()
        connection.executescript(auth_tables())
        for migration in sorted(MIGRATIONS.glob("*.sql")):
            connection.executescript(migration.read_text(encoding="utf-8"))
        return cls(connection)

    @classmethod
    def made_of(cls, script: str) -> SqliteDatabase:
        """A database with these tables only."""
        connection = _connect()
        connection.executescript(script)
        return cls(connection)

    async def batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """See `ports.Database.batch`."""
        self.batches += 1
        self.statements.extend(statement.sql for statement in statements)
        if self.fails:
            message = "D1_ERROR: the secret detail of an outage"
            raise DatabaseError(message)
        try:
            with self.connection:
                return [
                    [dict(row) for row in self.connection.execute(item.sql, item.parameters)]
                    for item in statements
                ]
        except sqlite3.Error as error:
            raise database_error(str(error)) from error

    def insert(self, table: str, **values: object) -> None:
        """Put a row in."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        with self.connection:
            self.connection.execute(
                f'INSERT INTO "{table}" ({names}) VALUES ({marks})',  # noqa: S608 - names of tests
                tuple(values.values()),
            )

    def change(self, sql: str) -> None:
        """Run one statement."""
        with self.connection:
            self.connection.execute(sql)


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def populated() -> SqliteDatabase:
    """Ada of Acme (active) and Bob of Globex (active), each with a session named after them.

    Ada's membership has two roles; both may do the same things, in their own organizations.
    """
    database = SqliteDatabase.migrated()
    for person, organization, role in (
        ("ada", "org_acme", "owner, editor"),
        ("bob", "org_globex", "member"),
    ):
        database.insert("user", id=person, name=person, email=f"{person}@example.com")
        database.insert("organization", id=organization, name=organization, slug=organization)
        database.insert(
            "member",
            id=f"member_{person}",
            organization_id=organization,
            user_id=person,
            role=role,
        )
        database.insert(
            "session",
            id=f"session_{person}",
            token=f"token-of-{person}",
            user_id=person,
            expires_at=LATER,
            active_organization_id=organization,
        )
    return database
