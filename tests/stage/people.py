"""People who are signed in: Better Auth's tables, and a session for each person."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cognate.times import to_iso
from local.adapters.manual_clock import START
from local.adapters.sqlite_database import SqliteDatabase
from tests.stage.watched import WatchedDatabase

LATER: Final = "2026-12-01T00:00:00.000Z"
EARLIER: Final = to_iso(START - timedelta(milliseconds=1))

CAMEL_CASE_TABLES: Final = """
CREATE TABLE "user" (id TEXT PRIMARY KEY, name TEXT, email TEXT, banned INTEGER, banExpires TEXT);
CREATE TABLE organization (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE member (id TEXT PRIMARY KEY, organizationId TEXT, userId TEXT, role TEXT);
CREATE TABLE session (id TEXT PRIMARY KEY, token TEXT UNIQUE, userId TEXT, expiresAt TEXT,
  activeOrganizationId TEXT);
"""


def database_of(script: str) -> WatchedDatabase:
    """Make a database with these tables only."""
    database = WatchedDatabase(SqliteDatabase())
    for statement in filter(str.strip, script.split(";")):
        database.change(statement)
    return database


def enrol(database: WatchedDatabase, person: str, organization_id: str, role: str) -> None:
    """Make a person the member of a new organization, with a session that is named after them."""
    database.insert("user", id=person, name=person, email=f"{person}@example.com")
    database.insert("organization", id=organization_id, name=organization_id, slug=organization_id)
    database.insert(
        "member",
        id=f"member_{person}",
        organization_id=organization_id,
        user_id=person,
        role=role,
    )
    database.insert(
        "session",
        id=f"session_{person}",
        token=f"token-of-{person}",
        user_id=person,
        expires_at=LATER,
        active_organization_id=organization_id,
    )


def enrol_two(database: WatchedDatabase) -> None:
    """Enrol Ada in Acme and Bob in Globex.

    Ada's membership has two roles; both may do the same things, in their own organizations.
    """
    enrol(database, "ada", "org_acme", "owner, editor")
    enrol(database, "bob", "org_globex", "member")


def populated() -> WatchedDatabase:
    """Make a migrated database with Ada and Bob."""
    database = WatchedDatabase(SqliteDatabase.migrated())
    enrol_two(database)
    return database
