"""Better Auth's signed values: only a value signed with the secret gives a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognate.auth.signature import SIGNATURE_LENGTH, sign, verify

SECRET = "a secret of thirty-two characters"
SIGNED = sign("token", SECRET)


def test_signs_as_better_auth_does() -> None:
    """The format is HMAC-SHA256 in standard base64; this vector was made with openssl."""
    expected = "token.vylrwghc5lZZmz7nP9mWY7SxVgiBASACzT8tkjFOYRE="

    assert expected == SIGNED


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1), st.text(min_size=1, max_size=40))
def test_what_was_signed_verifies(token: str, secret: str) -> None:
    """Any token comes back, whatever dots or letters it has."""
    secret = secret.encode("utf-8", "ignore").decode() or "x"

    assert verify(sign(token, secret), secret) == token


def test_splits_at_the_last_dot() -> None:
    """A token may hold dots itself."""
    assert verify(sign("a.b.c", SECRET), SECRET) == "a.b.c"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param("token", id="no signature"),
        pytest.param("token.", id="an empty signature"),
        pytest.param(SIGNED[:-1], id="truncated by one"),
        pytest.param(SIGNED[:-1] + "A", id="no padding at the end"),
        pytest.param(SIGNED + "=", id="one longer"),
        pytest.param(SIGNED.replace("token", "Token"), id="another token"),
        pytest.param("token." + sign("other", SECRET).rpartition(".")[2], id="swapped signature"),
        pytest.param(sign("token", SECRET + "x"), id="another secret"),
        pytest.param("." + sign("", SECRET).rpartition(".")[2], id="no token, well signed"),
        pytest.param("token." + "\u00e9" * 43 + "=", id="letters beyond ASCII"),
        pytest.param("token." + "\ud800" * 43 + "=", id="half a surrogate pair"),
        pytest.param(SIGNED.replace("+", "-").replace("/", "_") + " ", id="a blank at the end"),
    ],
)
def test_refuses_anything_else(value: str) -> None:
    """A forged, cut, swapped or misspelled value is no token."""
    assert verify(value, SECRET) is None


def test_every_character_of_the_signature_counts() -> None:
    """Changing any one of the 44 characters breaks it, the spare bits of the last included."""
    token, _, signature = SIGNED.rpartition(".")

    assert len(signature) == SIGNATURE_LENGTH
    for position, character in enumerate(signature):
        other = "B" if character != "B" else "C"
        forged = signature[:position] + other + signature[position + 1 :]
        assert verify(f"{token}.{forged}", SECRET) is None, position
