"""From a credential to a caller, or to a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cognate.auth.authenticate import authenticate, usable_organization_id
from cognate.auth.credentials import SessionToken
from cognate.errors import DatabaseError, InvalidCredential, NoActiveOrganization
from cognate.principal import Principal
from local.adapters.manual_clock import ManualClock
from tests.stage.people import EARLIER, populated

if TYPE_CHECKING:
    from tests.stage.watched import WatchedDatabase

ADAS_TOKEN = "token-of-ada"


async def principal(database: WatchedDatabase, token: str = ADAS_TOKEN) -> Principal:
    """Who that token is at noon."""
    credential = SessionToken(token, "bearer")
    return await authenticate(credential, database, ManualClock(), "snake_case")


async def test_a_session_is_its_user_in_the_active_organization() -> None:
    """With every role of the membership."""
    caller = await principal(populated())

    assert caller == Principal("ada", caller.organization_id, frozenset({"owner", "editor"}))
    assert caller.organization_id == "org_acme"
    assert caller.via == "session"


async def test_all_dead_sessions_look_alike() -> None:
    """Unknown, expired and banned are told in the same words."""
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
    """None active, a foreign one, one that does not exist: none of them."""
    database = populated()
    database.change(f"UPDATE session SET active_organization_id = {active}")  # noqa: S608 - above
    database.change("DELETE FROM member WHERE user_id = 'bob'")

    with pytest.raises(NoActiveOrganization, match=r"^The session .*; set one\.$"):
        await principal(database)


async def test_a_membership_that_ended_ends_at_once() -> None:
    """The session keeps naming the organization; that is not enough."""
    database = populated()
    database.change("DELETE FROM member WHERE user_id = 'ada'")

    with pytest.raises(NoActiveOrganization):
        await principal(database)


async def test_an_expired_session_without_organization_is_expired_first() -> None:
    """Whoever is not signed in learns nothing of organizations."""
    database = populated()
    database.change(
        f"UPDATE session SET active_organization_id = NULL, expires_at = '{EARLIER}'"  # noqa: S608
    )

    with pytest.raises(InvalidCredential):
        await principal(database)


@pytest.mark.parametrize("value", ["o", "x" * 64, "\u00e9" * 32])
def test_an_organization_id_of_up_to_64_bytes_is_usable(value: str) -> None:
    """Bytes, not characters: Vectorize indexes that much of a string."""
    assert usable_organization_id(value) == value


@pytest.mark.parametrize("value", ["", "x" * 65, "\u00e9" * 33])
def test_a_longer_organization_id_is_refused(value: str) -> None:
    """Two of them could look like one to a filter."""
    with pytest.raises(NoActiveOrganization, match=r"^An organization.s id .* UTF-8\.$"):
        usable_organization_id(value)


async def test_a_failing_database_is_not_a_bad_credential() -> None:
    """An outage signs nobody out."""
    database = populated()
    database.is_away = True

    with pytest.raises(DatabaseError):
        await principal(database)
