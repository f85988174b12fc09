"""The session token of a request: from its headers and its cookies."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from cognate.auth.sessions import COOKIE_NAMES, MAX_TOKEN_LENGTH, SessionToken, credential_from
from cognate.auth.signature import sign
from cognate.errors import ConfigurationError, InvalidCredential, MissingCredential
from cognate.settings import Settings

SECRET = "the secret"
SECURE, PLAIN = COOKIE_NAMES


def signed(token: str) -> str:
    """Sign a token and encode it as Better Auth does for a cookie."""
    return quote(sign(token, SECRET), safe="")


def cookie(*pairs: tuple[str, str]) -> dict[str, str]:
    """Make a Cookie header."""
    return {"cookie": "; ".join(f"{name}={value}" for name, value in pairs)}


@pytest.mark.parametrize("name", COOKIE_NAMES)
def test_reads_both_cookie_names(name: str) -> None:
    """With https Better Auth adds a prefix to the name."""
    found = credential_from(cookie((name, signed("t1"))), SECRET)

    assert found == SessionToken("t1", "cookie")


def test_finds_the_cookie_among_others() -> None:
    """Other cookies, even broken ones, and blanks do not matter."""
    header = f'a="b;c"; broken; {PLAIN}x=1;  {PLAIN} = "{signed("t1")}" ;z=[1]'

    assert credential_from({"cookie": header}, SECRET) == SessionToken("t1", "cookie")


def test_the_secure_name_goes_first() -> None:
    """A page without https could set the other one."""
    headers = cookie((PLAIN, signed("plain")), (SECURE, signed("secure")))

    assert credential_from(headers, SECRET).token == "secure"


def test_the_first_cookie_that_verifies_counts() -> None:
    """A stale or planted cookie of the same name locks nobody out."""
    headers = cookie((SECURE, "junk"), (PLAIN, "token.junk"), (PLAIN, signed("good")))

    assert credential_from(headers, SECRET).token == "good"


@pytest.mark.parametrize("value", ["t1", "", "t1.", "t1.AAAA", signed("t1")[:-3], "%%%", "%ff.x"])
def test_a_cookie_must_be_signed(value: str) -> None:
    """A bare token in a cookie is not accepted, nor a truncated one."""
    with pytest.raises(InvalidCredential):
        credential_from(cookie((PLAIN, value)), SECRET)


def test_a_cookie_is_decoded_once() -> None:
    """Decoding twice would give one token several spellings."""
    with pytest.raises(InvalidCredential):
        credential_from(cookie((PLAIN, quote(signed("t1"), safe=""))), SECRET)


@pytest.mark.parametrize(
    "value", ["t1", sign("t1", SECRET), signed("t1")], ids=["bare", "signed", "encoded"]
)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_reads_a_bearer_token(scheme: str, value: str) -> None:
    """The token is bare or signed, and the scheme has any case."""
    found = credential_from({"authorization": f"{scheme}  {value} "}, SECRET)

    assert found == SessionToken("t1", "bearer")


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "t1.AAAA",
        sign("t1", "another"),
        sign("t1", SECRET)[:-1],
        "aaa.bbb.ccc",
        "t\u00e91",
        "t%00",
        "x" * (MAX_TOKEN_LENGTH + 1),
    ],
)
def test_refuses_a_bad_bearer_token(value: str) -> None:
    """With a dot the signature must be right. Without one it must be a possible token."""
    with pytest.raises(InvalidCredential, match=r"^The credential is not valid.* sign in again\.$"):
        credential_from({"authorization": f"Bearer {value}"}, SECRET)


def test_accepts_a_token_of_the_greatest_length() -> None:
    """The limit itself is allowed."""
    token = "x" * MAX_TOKEN_LENGTH

    assert credential_from({"authorization": f"Bearer {token}"}, SECRET).token == token


def test_the_header_wins_over_the_cookie() -> None:
    """A client sets the header on purpose."""
    headers = {"authorization": "Bearer header", **cookie((PLAIN, signed("cookie")))}

    assert credential_from(headers, SECRET) == SessionToken("header", "bearer")


def test_a_bad_header_does_not_fall_back_to_the_cookie() -> None:
    """A caller who sends an invalid bearer token is refused."""
    headers = {"authorization": "Bearer a.b", **cookie((PLAIN, signed("cookie")))}

    with pytest.raises(InvalidCredential):
        credential_from(headers, SECRET)


def test_another_scheme_is_no_header() -> None:
    """A proxy's `Basic` does not hide the cookie."""
    headers = {"authorization": "Basic YTpi", **cookie((PLAIN, signed("cookie")))}

    assert credential_from(headers, SECRET) == SessionToken("cookie", "cookie")


@pytest.mark.parametrize(
    "headers",
    [{}, {"cookie": ""}, {"cookie": "a=b"}, {"authorization": "Basic YTpi"}, {"authorization": ""}],
)
def test_no_credential_is_missing_not_invalid(headers: dict[str, str]) -> None:
    """The caller is told to sign in, not that something was wrong."""
    with pytest.raises(
        MissingCredential, match=r"^This route .* `Authorization: Bearer <token>`\.$"
    ):
        credential_from(headers, SECRET)


def test_a_token_is_not_in_its_representation() -> None:
    """The representation could end in a log."""
    assert "t1" not in repr(SessionToken("t1", "cookie"))


def test_a_missing_secret_is_named() -> None:
    """The error has the command that sets the secret."""
    with pytest.raises(ConfigurationError) as caught:
        credential_from(cookie((PLAIN, signed("t1"))), Settings().auth_secret)

    assert caught.value.setting == "BETTER_AUTH_SECRET"
    assert "wrangler secret put BETTER_AUTH_SECRET" in str(caught.value)
