"""Better Auth's signed values: `token.signature`, an HMAC-SHA256 in standard base64.

The format is that of Better Auth 1.7 (its cookies, and its bearer plugin). A token may hold dots, a
signature cannot, so the value is split at its *last* dot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

SIGNATURE_LENGTH: Final = 44
"""Characters of 32 bytes in standard base64; the last of them is always `=`."""


def sign(token: str, secret: str) -> str:
    """The signed form of a token, as it stands in a cookie before percent-encoding."""
    return f"{token}.{_signature(token, secret)}"


def verify(value: str, secret: str) -> str | None:
    """The token of a signed value, or None where the signature is not the secret's.

    The value is already percent-decoded. Signatures are compared in constant time, as text: a
    second base64 spelling of the same bytes is refused.
    """
    token, dot, signature = value.rpartition(".")
    if not dot or not token or len(signature) != SIGNATURE_LENGTH or not signature.endswith("="):
        return None
    # Bytes, because `compare_digest` refuses text beyond ASCII; surrogates are no reason to fail.
    given = signature.encode("utf-8", "surrogatepass")
    expected = _signature(token, secret).encode("ascii")
    return token if hmac.compare_digest(given, expected) else None


def _signature(token: str, secret: str) -> str:
    key = secret.encode("utf-8")
    digest = hmac.digest(key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.b64encode(digest).decode("ascii")
