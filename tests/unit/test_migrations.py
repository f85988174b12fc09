"""The migrations can be applied to a database that has Better Auth's tables already."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from cognate.auth.sessions import find_session
from local.adapters.sqlite_database import SqliteDatabase
from local.demo.better_auth import in_naming
from local.demo.organizations import DEMO_ORGANIZATIONS, seed
from local.setup.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from cognate.settings import AuthNaming

BETTER_AUTH: Final = """
CREATE TABLE "user" ("id" text not null primary key, "name" text not null,
  "email" text not null unique, "email_verified" integer not null, "image" text,
  "created_at" date not null, "updated_at" date not null, "role" text, "banned" integer,
  "ban_reason" text, "ban_expires" date);
CREATE TABLE "session" ("id" text not null primary key, "expires_at" date not null,
  "token" text not null unique, "created_at" date not null, "updated_at" date not null,
  "ip_address" text, "user_agent" text,
  "user_id" text not null references "user" ("id") on delete cascade,
  "active_organization_id" text, "impersonated_by" text);
CREATE TABLE "account" ("id" text not null primary key, "account_id" text not null,
  "provider_id" text not null,
  "user_id" text not null references "user" ("id") on delete cascade, "password" text,
  "created_at" date not null, "updated_at" date not null);
CREATE TABLE "verification" ("id" text not null primary key, "identifier" text not null,
  "value" text not null, "expires_at" date not null, "created_at" date not null,
  "updated_at" date not null);
CREATE TABLE "organization" ("id" text not null primary key, "name" text not null,
  "slug" text not null unique, "logo" text, "created_at" date not null, "metadata" text);
CREATE TABLE "member" ("id" text not null primary key,
  "organization_id" text not null references "organization" ("id") on delete cascade,
  "user_id" text not null references "user" ("id") on delete cascade, "role" text not null,
  "created_at" date not null);
CREATE TABLE "invitation" ("id" text not null primary key,
  "organization_id" text not null references "organization" ("id") on delete cascade,
  "email" text not null, "role" text, "status" text not null, "expires_at" date not null,
  "inviter_id" text not null references "user" ("id") on delete cascade);
CREATE INDEX "session_user_id_index" ON "session" ("user_id");
CREATE INDEX "member_user_id_index" ON "member" ("user_id");
"""
"""The tables of Better Auth 1.7 with the plugins `organization` and `admin`, as it makes them."""


@pytest.mark.parametrize("naming", ["snake_case", "camelCase"])
async def test_they_apply_beside_better_auths_own_tables(
    naming: AuthNaming, tmp_path: Path
) -> None:
    """Existing sessions can be read afterwards, and no table of Better Auth has changed."""
    path = tmp_path / "application.sqlite"
    own = in_naming(BETTER_AUTH, naming)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(own)
        before = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY 1").fetchall()
    seed(path, naming=naming)
    database = SqliteDatabase(path)
    applied = database.migrate()
    token = DEMO_ORGANIZATIONS[0].session_token
    session = await find_session(database, naming, token)
    database.close()

    assert applied == sorted(path.name for path in (ROOT / "migrations").glob("*.sql")) != []
    assert session is not None
    assert session.is_member
    with closing(sqlite3.connect(path)) as connection:
        after = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY 1").fetchall()
    assert [row for row in before if row not in after] == []


def test_no_migration_touches_a_table_of_better_auth() -> None:
    """These tables belong to the application."""
    scripts = [path.read_text("utf-8") for path in (ROOT / "migrations").glob("*.sql")]
    names = "user|session|account|verification|organization|member|invitation"
    touched = re.compile(
        rf'\b(TABLE|REFERENCES|ON|INTO)\s+(?:IF NOT EXISTS )?"?({names})"?\b', re.IGNORECASE
    )

    assert touched.findall(BETTER_AUTH) != []
    assert [found for script in scripts for found in touched.findall(script)] == []
