"""Which credential a request carries: a session token, from a header or from a cookie.

The rules, in order:

1. `Authorization: Bearer` wins over every cookie: it was set on purpose, while a browser adds
   cookies by itself. If it is bad the request is refused; it never falls back to a cookie.
   Another scheme (`Basic`, left by a proxy) is not ours and counts as no header.
2. A bearer token with a dot is the signed form and must verify; one without is the bare token.
3. A cookie must be signed. Of several (both names, or one name set for several paths) the first
   that verifies counts, the `__Secure-` name before the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

from cognate.auth.signature import verify
from cognate.errors import ConfigurationError, InvalidCredential, MissingCredential
from cognate.settings import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COOKIE_NAMES: Final = ("__Secure-better-auth.session_token", "better-auth.session_token")
"""In the order in which they count. Only https can set the first one."""

MAX_TOKEN_LENGTH: Final = 512
"""Characters of a session token; Better Auth makes 32."""

INVALID: Final = "The credential is not valid: unknown, expired or revoked; sign in again."


@dataclass(frozen=True)
class SessionToken:
    """A session's token, not yet looked up.

    Attributes:
        token: what stands in Better Auth's `session.token`.
        source: `cookie` tokens are sent by browsers unasked, so they need a check of the origin.
    """

    token: str = field(repr=False)
    source: Literal["bearer", "cookie"]


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


def _bearer_token(value: str, secret: str) -> str | None:
    # Better Auth hands out the signed form percent-encoded, as it stands in the cookie. Decoding
    # changes nothing in a bare token or in base64 that was not encoded.
    decoded = unquote(value)
    return verify(decoded, secret) if "." in decoded else decoded


def _session_cookies(header: str) -> Iterator[str]:
    """The values of session cookies in the order in which they count.

    Written by hand because `http.cookies` gives up at the first cookie it does not like, and
    other people's cookies come in the same header.
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
