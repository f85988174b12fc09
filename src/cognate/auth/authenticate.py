"""From a credential to a `Principal`: the one place in which a request becomes a caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cognate.auth.credentials import INVALID, SessionToken
from cognate.auth.sessions import find_session
from cognate.errors import InvalidCredential, NoActiveOrganization
from cognate.principal import OrganizationId, Principal

if TYPE_CHECKING:
    from cognate.ports import Clock, Database
    from cognate.settings import AuthNaming

MAX_ORGANIZATION_ID_BYTES: Final = 64
"""UTF-8 bytes of an organization's id: a metadata index of Vectorize reads no more of a string, so
two longer ids with the same beginning would be one organization to its filter."""


async def authenticate(
    credential: SessionToken, database: Database, clock: Clock, naming: AuthNaming
) -> Principal:
    """The caller that a credential stands for, acting for their active organization.

    Args:
        credential: from `credentials.credential_from`.
        database: holds Better Auth's tables.
        clock: decides about expiry.
        naming: of Better Auth's columns.

    Raises:
        InvalidCredential: no such session, expired, or its user is banned; one message for all.
        NoActiveOrganization: none is active, or the user is not its member.
        ConfigurationError: Better Auth's tables are in another database.
        DatabaseError: Better Auth's tables are out of reach.
    """
    session = await find_session(database, naming, credential.token)
    if session is None or not session.counts_at(clock.now()):
        raise InvalidCredential(INVALID)
    if session.organization_id is None or not session.is_member:
        message = "The session has no active organization of which its user is a member; set one."
        raise NoActiveOrganization(message)
    return Principal(
        user_id=session.user_id,
        organization_id=usable_organization_id(session.organization_id),
        roles=session.roles,
        via="session",
    )


def usable_organization_id(value: str) -> OrganizationId:
    """An organization's id, if it can fence vectors.

    Raises:
        NoActiveOrganization: it is empty or longer than 64 bytes of UTF-8.
    """
    if not 1 <= len(value.encode("utf-8", "surrogatepass")) <= MAX_ORGANIZATION_ID_BYTES:
        message = f"An organization's id must have 1 to {MAX_ORGANIZATION_ID_BYTES} bytes of UTF-8."
        raise NoActiveOrganization(message)
    return OrganizationId(value)
