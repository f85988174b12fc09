"""A session token becomes a caller, with any naming and any times in Better Auth's tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cognate.auth.sessions import (
    SessionToken,
    as_time,
    authenticate,
    find_session,
    split_roles,
    usable_organization_id,
)
from cognate.errors import (
    ConfigurationError,
    DatabaseError,
    InvalidCredential,
    NoActiveOrganization,
)
from cognate.principal import Principal
from local.adapters.manual_clock import START as NOW
from local.adapters.manual_clock import ManualClock
from tests.stage.people import CAMEL_CASE_TABLES, EARLIER, LATER, database_of, populated

if TYPE_CHECKING:
    from cognate.auth.sessions import Session
    from tests.stage.watched import WatchedDatabase


ADAS_TOKEN = "token-of-ada"


async def find(database: WatchedDatabase, token: str) -> Session | None:
    """Find the session of a token in tables with `snake_case` columns."""
    return await find_session(database, "snake_case", token)


async def test_reads_session_ban_and_membership_in_one_round_trip() -> None:
    """The read is one batch of one statement."""
    database = populated()

    session = await find(database, "token-of-ada")

    assert session is not None
    assert session.user_id == "ada"
    assert session.organization_id == "org_acme"
    assert session.is_member
    assert session.roles == {"owner", "editor"}
    assert session.counts_at(NOW)
    assert [1] == [len(batch) for batch in database.batches]


def camel_case_database() -> WatchedDatabase:
    """Make the tables as Better Auth's own adapter does."""
    database = database_of(CAMEL_CASE_TABLES)
    database.insert("user", id="u1", banned=1, banExpires="2026-11-01")
    database.insert("member", id="m1", organizationId="o1", userId="u1", role="admin")
    database.insert(
        "session", id="s1", token="t1", userId="u1", expiresAt=LATER, activeOrganizationId="o1"
    )
    return database


async def test_reads_camel_case_columns_where_configured() -> None:
    """Better Auth's own adapter uses these names."""
    session = await find_session(camel_case_database(), "camelCase", "t1")

    assert session is not None
    assert (session.user_id, session.organization_id) == ("u1", "o1")
    assert session.roles == {"admin"}
    assert session.banned
    assert session.counts_at(NOW)  # the ban is over


async def test_the_wrong_naming_is_an_error_not_an_absent_session() -> None:
    """Without an error, the caller would look like someone without a session."""
    with pytest.raises(ConfigurationError, match='set AUTH_COLUMN_NAMING = "camelCase"'):
        await find_session(camel_case_database(), "snake_case", "t1")


async def test_a_short_outage_stays_an_error() -> None:
    """The tables are complete when they are checked, so the outage was the cause."""
    database = populated()
    database.fails = {0}

    with pytest.raises(DatabaseError, match="outage"):
        await find(database, "token-of-ada")


@pytest.mark.parametrize("naming", ["snake_case", "camelCase"])
async def test_works_without_the_admin_plugin(naming: str) -> None:
    """Without it the ban's columns do not exist, and nobody is banned."""
    if naming == "camelCase":
        database = camel_case_database()
        database.change('ALTER TABLE "user" DROP COLUMN banExpires')
        database.change('ALTER TABLE "user" DROP COLUMN banned')
        session = await find_session(database, "camelCase", "t1")
    else:
        database = populated()
        database.change('ALTER TABLE "user" DROP COLUMN ban_expires')
        database.change('ALTER TABLE "user" DROP COLUMN banned')
        session = await find(database, "token-of-ada")

    assert session is not None
    assert not session.banned


@pytest.mark.parametrize(
    "token", ["TOKEN-OF-ADA", "token-of-ad", "token-of-ada ", "token-of-%", "", "token_of_ada"]
)
async def test_a_token_is_compared_exactly(token: str) -> None:
    """Another case, a part or a pattern of the token finds no session."""
    assert await find(populated(), token) is None


async def test_a_token_is_compared_exactly_even_where_the_column_ignores_case() -> None:
    """The collation of the column does not matter."""
    tables = CAMEL_CASE_TABLES.replace("token TEXT UNIQUE", "token TEXT UNIQUE COLLATE NOCASE")
    database = database_of(tables)
    database.insert("user", id="u1")
    database.insert("session", id="s1", token="Token", userId="u1", expiresAt=LATER)

    assert await find_session(database, "camelCase", "token") is None
    assert await find_session(database, "camelCase", "Token") is not None


async def test_a_token_is_compared_as_text_even_where_the_column_holds_numbers() -> None:
    """SQLite would take `1000.0` for 1000 there."""
    tables = CAMEL_CASE_TABLES.replace("token TEXT UNIQUE", "token NUMERIC")
    database = database_of(tables)
    database.insert("user", id="u1")
    database.insert("session", id="s1", token="1000", userId="u1", expiresAt=LATER)

    assert await find_session(database, "camelCase", "1000.0") is None
    assert await find_session(database, "camelCase", "1000") is not None


async def test_a_membership_of_another_organization_does_not_count() -> None:
    """The membership must be that of the session's user in the session's organization."""
    database = populated()
    database.change(
        "UPDATE session SET active_organization_id = 'org_globex' WHERE id = 'session_ada'"
    )

    session = await find(database, "token-of-ada")

    assert session is not None
    assert session.organization_id == "org_globex"
    assert not session.is_member
    assert session.roles == frozenset()


async def test_nor_does_it_with_camel_case_columns() -> None:
    """The statement of this naming checks it too."""
    database = camel_case_database()
    database.insert("user", id="u2")
    database.insert("member", id="m2", organizationId="o2", userId="u2", role="owner")
    database.change("UPDATE session SET activeOrganizationId = 'o2'")

    session = await find_session(database, "camelCase", "t1")

    assert session is not None
    assert session.organization_id == "o2"
    assert not session.is_member
    assert session.roles == frozenset()


async def test_two_member_rows_are_one_membership_with_the_roles_of_both() -> None:
    """Better Auth's schema allows two member rows."""
    database = camel_case_database()
    database.insert("member", id="m2", organizationId="o1", userId="u1", role="editor")
    session = await find_session(database, "camelCase", "t1")

    assert session is not None
    assert session.roles == {"admin", "editor"}


@pytest.mark.parametrize(
    ("banned", "ban_expires", "counts"),
    [
        (None, None, True),
        (0, None, True),
        ("false", None, True),
        (1, None, False),
        ("true", None, False),
        (1, "2026-11-20T12:00:00.001Z", False),
        (1, "2026-11-20T12:00:00.000Z", True),
        (1, "no time at all", False),
        (0, LATER, True),
    ],
)
async def test_a_ban_holds_until_it_ends(
    banned: str | float | None, ban_expires: str | None, *, counts: bool
) -> None:
    """A ban whose end cannot be read does not end."""
    database = populated()
    database.change(
        "UPDATE \"user\" SET banned = ?1, ban_expires = ?2 WHERE id = 'ada'", banned, ban_expires
    )

    session = await find(database, "token-of-ada")

    assert session is not None
    assert session.counts_at(NOW) is counts


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T12:00:00.000Z",
        "2026-11-20T12:00:00+00:00",
        "2026-11-20T13:00:00+01:00",
        "2026-11-20 12:00:00",
        1_795_176_000,
        1_795_176_000.0,
        1_795_176_000_000,
        "1795176000",
        "1795176000000",
    ],
)
def test_reads_every_kind_of_time(value: object) -> None:
    """ISO text with or without a zone, seconds, milliseconds, and digits in a text column."""
    assert as_time(value) == NOW


@pytest.mark.parametrize(
    "value",
    [None, "", "soon", "nan", "inf", "1e999", 10**400, float("inf"), b"\xff", [], "2026-13-01"],
)
def test_anything_else_is_no_time(value: object) -> None:
    """Such a value gives None and no error."""
    assert as_time(value) is None


@pytest.mark.parametrize("as_number", [1, 1000], ids=["seconds", "milliseconds"])
async def test_a_session_ends_at_its_time(as_number: int) -> None:
    """A session is expired from its expiry time on."""
    database = populated()
    end = int(NOW.timestamp()) * as_number
    database.change(f"UPDATE session SET expires_at = {end}")  # noqa: S608 - a number

    session = await find(database, "token-of-ada")

    assert session is not None
    assert session.expires_at == datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert session.counts_at(NOW - timedelta(seconds=1))
    assert not session.counts_at(NOW)


async def test_a_session_without_a_readable_end_is_over() -> None:
    """A session whose expiry cannot be read is expired."""
    database = populated()
    database.change("UPDATE session SET expires_at = 'soon'")

    session = await find(database, "token-of-ada")

    assert session is not None
    assert not session.counts_at(NOW)


@pytest.mark.parametrize(
    ("role", "roles"),
    [
        ("owner", {"owner"}),
        ("admin,editor", {"admin", "editor"}),
        (" admin , editor ,", {"admin", "editor"}),
        (",", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_comma_joined_roles_are_several(role: str | None, roles: set[str]) -> None:
    """Better Auth stores several roles in one column."""
    assert split_roles(role) == roles


async def principal(database: WatchedDatabase, token: str = ADAS_TOKEN) -> Principal:
    """Authenticate this token at noon."""
    credential = SessionToken(token, "bearer")
    return await authenticate(credential, database, ManualClock(), "snake_case")


async def test_a_session_is_its_user_in_the_active_organization() -> None:
    """The caller has every role of the membership."""
    caller = await principal(populated())

    assert caller == Principal("ada", caller.organization_id, frozenset({"owner", "editor"}))
    assert caller.organization_id == "org_acme"
    assert caller.via == "session"


async def test_all_dead_sessions_look_alike() -> None:
    """The message is the same for unknown, expired and banned sessions."""
    expired, banned = populated(), populated()
    expired.change(f"UPDATE session SET expires_at = '{EARLIER}'")  # noqa: S608 - a constant
    banned.change('UPDATE "user" SET banned = 1')
    messages = set()
    for database, token in (
        (populated(), "unknown"),
        (expired, ADAS_TOKEN),
        (banned, ADAS_TOKEN),
    ):
        with pytest.raises(InvalidCredential) as caught:
            await principal(database, token)
        messages.add(str(caught.value))

    assert len(messages) == 1


@pytest.mark.parametrize("active", ["NULL", "'org_globex'", "'org_of_nobody'", "''"])
async def test_an_organization_counts_only_for_its_members(active: str) -> None:
    """No organization, a foreign one and an unknown one are refused."""
    database = populated()
    database.change(f"UPDATE session SET active_organization_id = {active}")  # noqa: S608 - above
    database.change("DELETE FROM member WHERE user_id = 'bob'")

    with pytest.raises(NoActiveOrganization, match=r"^The session .*; set one\.$"):
        await principal(database)


async def test_a_membership_that_ended_ends_at_once() -> None:
    """The session still names the organization, but this is not enough."""
    database = populated()
    database.change("DELETE FROM member WHERE user_id = 'ada'")

    with pytest.raises(NoActiveOrganization):
        await principal(database)


async def test_an_expired_session_without_organization_is_expired_first() -> None:
    """A caller who is not signed in learns nothing about organizations."""
    database = populated()
    database.change(
        f"UPDATE session SET active_organization_id = NULL, expires_at = '{EARLIER}'"  # noqa: S608
    )

    with pytest.raises(InvalidCredential):
        await principal(database)


@pytest.mark.parametrize("value", ["o", "x" * 64, "\u00e9" * 32])
def test_an_organization_id_of_up_to_64_bytes_is_usable(value: str) -> None:
    """The limit counts bytes, because Vectorize indexes so many bytes of a string."""
    assert usable_organization_id(value) == value


@pytest.mark.parametrize("value", ["", "x" * 65, "\u00e9" * 33])
def test_a_longer_organization_id_is_refused(value: str) -> None:
    """A filter could not tell two such ids apart."""
    with pytest.raises(NoActiveOrganization, match=r"^An organization.s id .* UTF-8\.$"):
        usable_organization_id(value)


async def test_a_failing_database_is_not_a_bad_credential() -> None:
    """The caller gets the error of the database."""
    database = populated()
    database.is_away = True

    with pytest.raises(DatabaseError):
        await principal(database)
