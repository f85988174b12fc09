"""Better Auth's signed values: `token.signature`, with an HMAC-SHA256 in standard base64.

The cookies and the bearer plugin of Better Auth 1.7 use this format. A token can contain dots and a
signature cannot, so the value is split at its *last* dot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

SIGNATURE_LENGTH: Final = 44
"""Characters of 32 bytes in standard base64. The last one is always `=`."""


def sign(token: str, secret: str) -> str:
    """Sign a token, as for a cookie before percent-encoding."""
    return f"{token}.{_signature(token, secret)}"


def verify(value: str, secret: str) -> str | None:
    """Return the token of a signed value, or None if its signature is wrong.

    The value is percent-decoded already. Signatures are compared in constant time and as text, so
    another base64 spelling of the same bytes is refused.
    """
    token, dot, signature = value.rpartition(".")
    if not dot or not token or len(signature) != SIGNATURE_LENGTH or not signature.endswith("="):
        return None
    # As bytes, because `compare_digest` refuses text with characters outside of ASCII.
    given = signature.encode("utf-8", "surrogatepass")
    expected = _signature(token, secret).encode("ascii")
    return token if hmac.compare_digest(given, expected) else None


def _signature(token: str, secret: str) -> str:
    key = secret.encode("utf-8")
    digest = hmac.digest(key, token.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.b64encode(digest).decode("ascii")
