"""The ids that the server makes: of records, of jobs, and of vectors."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b32encode
from typing import TYPE_CHECKING, Final

from cognate.times import to_milliseconds

if TYPE_CHECKING:
    from datetime import datetime

CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
TIME_DIGITS: Final = 10
RANDOM_DIGITS: Final = 16
VECTOR_KEY_LENGTH: Final = 52
"""Characters of a SHA-256 in base32 without padding."""


def new_id(prefix: str, now: datetime) -> str:
    """Make an id such as `job_01jcvw8m6y…`: 48 bits of milliseconds and 80 random bits (a ULID).

    Ids of one prefix sort by the millisecond in which they were made.
    """
    return (
        f"{prefix}_{_crockford(to_milliseconds(now), TIME_DIGITS)}"
        f"{_crockford(secrets.randbits(RANDOM_DIGITS * 5), RANDOM_DIGITS)}"
    )


def derived_id(prefix: str, seed: str) -> str:
    """Make an id that is always the same for the same seed, to recognize what arrives twice.

    It does not sort by time.
    """
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big")
    return f"{prefix}_{_crockford(number, TIME_DIGITS + RANDOM_DIGITS)}"


def vector_key(organization_id: str, scope: str, record_id: str) -> str:
    """The start of all vector ids of one record.

    An id is global in a Vectorize index, and calls by id know no tenant. So the organization is a
    part of the hash, and equal record ids of two organizations have different keys.
    """
    # JSON keeps the three apart, so no choice of ids gives two records the same seed.
    seed = json.dumps([organization_id, scope, record_id]).encode()
    return b32encode(hashlib.sha256(seed).digest()).decode().lower().rstrip("=")


def vector_id(key: str, chunk: int) -> str:
    """The id of the vector of a chunk: the key of 52 characters, a dot, and the chunk's number."""
    return f"{key}.{chunk}"


def parse_vector_id(text: str) -> tuple[str, int] | None:
    """The key and the chunk number of a vector id; None for an id of another form."""
    key, dot, number = text.partition(".")
    if dot and len(key) == VECTOR_KEY_LENGTH and number.isascii() and number.isdigit():
        return key, int(number)
    return None


def _crockford(number: int, digits: int) -> str:
    return "".join(CROCKFORD[number >> (5 * place) & 31] for place in reversed(range(digits)))
