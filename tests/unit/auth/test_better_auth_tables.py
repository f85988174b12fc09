"""The error says why Better Auth's tables cannot be read, so that an operator can mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.auth.better_auth_tables import refuse_unusable_tables
from cognate.auth.sessions import find_session
from cognate.errors import ConfigurationError, DatabaseError
from local.adapters.sqlite_database import SqliteDatabase
from local.demo.better_auth import auth_tables
from tests.stage.people import database_of
from tests.stage.watched import WatchedDatabase

if TYPE_CHECKING:
    from cognate.settings import AuthNaming

NAMINGS: tuple[AuthNaming, ...] = ("snake_case", "camelCase")


async def refused(database: WatchedDatabase, naming: AuthNaming) -> ConfigurationError:
    """Read a session, and return the error."""
    with pytest.raises(ConfigurationError) as failure:
        await find_session(database, naming, "any")
    return failure.value


@pytest.mark.parametrize("naming", NAMINGS)
async def test_tables_of_better_auth_are_usable(naming: AuthNaming) -> None:
    """Tables in the configured naming are usable."""
    await refuse_unusable_tables(database_of(auth_tables(naming)), naming)


@pytest.mark.parametrize("naming", NAMINGS)
async def test_a_database_without_them_names_the_binding(naming: AuthNaming) -> None:
    """This happens with a misspelt AUTH_DB, for which DB is used, and with an empty database."""
    error = await refused(database_of("CREATE TABLE claims (id TEXT)"), naming)

    assert error.setting == "AUTH_DB"
    assert "session.token" in str(error)
    assert "bind the one that has them as AUTH_DB" in str(error)


async def test_a_missing_column_is_named() -> None:
    """Without the organization plugin a session has no active organization."""
    tables = auth_tables().replace("  active_organization_id TEXT,\n", "")
    error = await refused(database_of(tables), "snake_case")

    assert "lacks session.active_organization_id;" in str(error)


@pytest.mark.parametrize(("naming", "other"), [NAMINGS, NAMINGS[::-1]])
async def test_the_other_naming_names_the_setting(naming: AuthNaming, other: AuthNaming) -> None:
    """Better Auth's own adapter names columns in camelCase, others in snake_case."""
    error = await refused(database_of(auth_tables(other)), naming)

    assert error.setting == "AUTH_COLUMN_NAMING"
    assert f'set AUTH_COLUMN_NAMING = "{other}"' in str(error)


async def test_a_view_serves_as_a_table() -> None:
    """An application can show its own tables under Better Auth's names by views."""
    database = database_of(auth_tables().replace('"user"', "people"))
    database.change("CREATE VIEW user AS SELECT * FROM people")

    await refuse_unusable_tables(database, "snake_case")


async def test_an_outage_stays_one() -> None:
    """A database that fails is not reported as a wrong configuration."""
    database = WatchedDatabase(SqliteDatabase.migrated())
    database.is_away = True

    with pytest.raises(DatabaseError):
        await find_session(database, "snake_case", "any")
