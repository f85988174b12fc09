"""Authenticate a request by its session of Better Auth, in one round trip.

The token of the session comes from a header or from a cookie, by these rules:

1. `Authorization: Bearer` goes before every cookie, because a client sets it on purpose, while a
   browser adds cookies by itself. If it is invalid the request is refused, also if a cookie is
   valid. Another scheme (such as `Basic`, which a proxy may add) counts as no header.
2. A bearer token with a dot is signed, and its signature must be valid. One without a dot is the
   token itself.
3. A cookie must be signed. Of several cookies the first valid one counts, and the `__Secure-` name
   goes before the other.

One statement reads the session, the ban of its user and the membership. Better Auth names its
columns in camelCase or snake_case, and writes times as ISO text, seconds or milliseconds, depending
on its adapter. This module reads all of them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote

from cognate.auth.better_auth_tables import refuse_unusable_tables
from cognate.auth.signature import verify
from cognate.errors import (
    ConfigurationError,
    DatabaseError,
    InvalidCredential,
    MissingCredential,
    NoActiveOrganization,
)
from cognate.ports import Statement
from cognate.principal import OrganizationId, Principal
from cognate.settings import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cognate.ports import Clock, Database, Row
    from cognate.settings import AuthNaming

COOKIE_NAMES: Final = ("__Secure-better-auth.session_token", "better-auth.session_token")
"""The names of the cookie, the first one first. Only https can set that one."""

MAX_TOKEN_LENGTH: Final = 512
"""The longest session token that is looked up, in characters. Better Auth makes 32."""

INVALID: Final = "The credential is not valid: unknown, expired or revoked; sign in again."

MAX_ORGANIZATION_ID_BYTES: Final = 64
"""UTF-8 bytes of an organization's id. A metadata index of Vectorize reads no more of a string, so
its filter could not tell two longer ids with the same beginning apart."""

MILLISECONDS_FROM: Final = 100_000_000_000
"""A number from here on is in milliseconds. In seconds it would be the year 5138, in
milliseconds it is March 1973."""

# Only Better Auth's admin plugin adds the columns of a ban. SQLite looks for a name that is not a
# column of a subquery's own table in the outer query, where `no_admin_plugin` has it as NULL.
_SNAKE_CASE: Final = """
SELECT session.token AS token, session.user_id AS user_id, session.expires_at AS expires_at,
  session.active_organization_id AS organization_id,
  (SELECT banned FROM "user" WHERE "user".id = session.user_id) AS banned,
  (SELECT ban_expires FROM "user" WHERE "user".id = session.user_id) AS ban_expires,
  member.id AS member_id, member.role AS role
FROM session
JOIN "user" AS owner ON owner.id = session.user_id
CROSS JOIN (SELECT NULL AS banned, NULL AS ban_expires) AS no_admin_plugin
LEFT JOIN member ON member.user_id = session.user_id
  AND member.organization_id = session.active_organization_id
WHERE session.token = ?1 COLLATE BINARY
"""

_CAMEL_CASE: Final = """
SELECT session.token AS token, session.userId AS user_id, session.expiresAt AS expires_at,
  session.activeOrganizationId AS organization_id,
  (SELECT banned FROM "user" WHERE "user".id = session.userId) AS banned,
  (SELECT banExpires FROM "user" WHERE "user".id = session.userId) AS ban_expires,
  member.id AS member_id, member.role AS role
FROM session
JOIN "user" AS owner ON owner.id = session.userId
CROSS JOIN (SELECT NULL AS banned, NULL AS banExpires) AS no_admin_plugin
LEFT JOIN member ON member.userId = session.userId
  AND member.organizationId = session.activeOrganizationId
WHERE session.token = ?1 COLLATE BINARY
"""

_STATEMENTS: Final[Mapping[AuthNaming, str]] = MappingProxyType(
    {"snake_case": _SNAKE_CASE, "camelCase": _CAMEL_CASE}
)


@dataclass(frozen=True)
class SessionToken:
    """The token of a session, not yet looked up.

    Attributes:
        token: the value of `session.token`.
        source: a browser sends a cookie by itself, so a cookie needs a check of the origin.
    """

    token: str = field(repr=False)
    source: Literal["bearer", "cookie"]


@dataclass(frozen=True)
class Session:
    """A session as it is stored, valid or not.

    Attributes:
        expires_at: None if the stored value is not a time. Such a session is expired.
        banned: the user is marked as banned.
        ban_expires_at: the end of the ban; None if the ban has no end.
        organization_id: the active organization that the session names.
        is_member: the user is a member of that organization.
        roles: the roles of the membership.
    """

    user_id: str
    expires_at: datetime | None
    banned: bool
    ban_expires_at: datetime | None
    organization_id: str | None
    is_member: bool
    roles: frozenset[str]

    def counts_at(self, now: datetime) -> bool:
        """Whether the session is neither expired nor its user banned at this time."""
        if self.expires_at is None or self.expires_at <= now:
            return False
        return not self.banned or (self.ban_expires_at is not None and self.ban_expires_at <= now)


def credential_from(headers: Mapping[str, str], secret: str | None) -> SessionToken:
    """Read the credential of a request.

    Args:
        headers: with names in lower case.
        secret: the one of Better Auth; None if it is not configured.

    Raises:
        ConfigurationError: the secret is not configured. The message names it.
        MissingCredential: there is none.
        InvalidCredential: there is one, and it is malformed or its signature is wrong.
    """
    if secret is None:
        message = (
            f"{SECRET} is not set, so no session can be verified; "
            f"set the value that Better Auth uses with `wrangler secret put {SECRET}`"
        )
        raise ConfigurationError(SECRET, message)
    scheme, _, bearer = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return SessionToken(_plausible(_bearer_token(bearer.strip(), secret)), "bearer")
    values = list(_session_cookies(headers.get("cookie", "")))
    if not values:
        message = "This route needs a session: send its cookie or `Authorization: Bearer <token>`."
        raise MissingCredential(message)
    verified = (verify(unquote(value), secret) for value in values)
    return SessionToken(_plausible(next(filter(None, verified), None)), "cookie")


async def authenticate(
    credential: SessionToken, database: Database, clock: Clock, naming: AuthNaming
) -> Principal:
    """Find the caller of a session token, who acts for the active organization of the session.

    Args:
        credential: from `credential_from`.
        database: the one with Better Auth's tables.
        clock: for the expiry.
        naming: the names of Better Auth's columns.

    Raises:
        InvalidCredential: there is no such session, it is expired, or its user is banned. The
            message is the same for all three.
        NoActiveOrganization: no organization is active, or the user is not its member.
        ConfigurationError: the tables are in another database, or their columns are named
            otherwise than configured.
        DatabaseError: the database failed.
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
    """Return an organization's id if the filter of Vectorize can tell it from all others.

    Raises:
        NoActiveOrganization: it is empty or longer than 64 bytes of UTF-8.
    """
    if not 1 <= len(value.encode("utf-8", "surrogatepass")) <= MAX_ORGANIZATION_ID_BYTES:
        message = f"An organization's id must have 1 to {MAX_ORGANIZATION_ID_BYTES} bytes of UTF-8."
        raise NoActiveOrganization(message)
    return OrganizationId(value)


async def find_session(database: Database, naming: AuthNaming, token: str) -> Session | None:
    """Find the session of exactly this token, in one round trip; None if there is none.

    Raises:
        ConfigurationError: the tables are in another database, or their columns are named
            otherwise than configured.
        DatabaseError: the database failed.
    """
    try:
        (rows,) = await database.batch([Statement(_STATEMENTS[naming], (token,))])
    except DatabaseError:
        await refuse_unusable_tables(database, naming)
        raise
    expected = token.encode("utf-8")
    found = [row for row in rows if hmac.compare_digest(str(row["token"]).encode(), expected)]
    return _session(found) if found else None


def _bearer_token(value: str, secret: str) -> str | None:
    # Better Auth returns the signed form percent-encoded, as in the cookie. Decoding does not
    # change a bare token, or base64 that is not encoded.
    decoded = unquote(value)
    return verify(decoded, secret) if "." in decoded else decoded


def _session_cookies(header: str) -> Iterator[str]:
    """Yield the values of the session cookies, the first one first.

    `http.cookies` stops at the first cookie that it cannot parse, and the header has the cookies of
    others too. So this function parses the header itself.
    """
    pairs = [part.strip().partition("=") for part in header.split(";")]
    for name in COOKIE_NAMES:
        for key, _, value in pairs:
            if key.strip() == name:
                yield value.strip().removeprefix('"').removesuffix('"')


def _plausible(token: str | None) -> str:
    if not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii() or not token.isprintable():
        raise InvalidCredential(INVALID)
    return token


def _session(rows: Sequence[Row]) -> Session:
    first = rows[0]
    organization_id = first["organization_id"]
    return Session(
        user_id=str(first["user_id"]),
        expires_at=as_time(first["expires_at"]),
        banned=str(first["banned"]).lower() not in {"none", "", "0", "0.0", "false"},
        ban_expires_at=as_time(first["ban_expires"]),
        organization_id=None if organization_id is None else str(organization_id),
        is_member=any(row["member_id"] is not None for row in rows),
        # Better Auth's schema allows two member rows of one user.
        roles=frozenset().union(*(split_roles(row["role"]) for row in rows)),
    )


def split_roles(value: str | None) -> frozenset[str]:
    """The roles in the `role` of a membership; `"admin, editor"` has two."""
    return frozenset(filter(None, (role.strip() for role in (value or "").split(","))))


def as_time(value: Any) -> datetime | None:  # noqa: ANN401 - whatever a column holds
    """Read a time from ISO text, or from seconds or milliseconds since 1970; None for other values.

    A text without a time zone is in UTC. Digits in a text column are a number that SQLite converted
    to text.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return _iso_time(value) if isinstance(value, str) else None
    try:
        return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso_time(value: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
