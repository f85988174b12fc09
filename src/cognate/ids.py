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
RANDOM_BITS: Final = 80
STEP_BITS: Final = 64
"""Random bits between two ids of one millisecond."""

VECTOR_KEY_LENGTH: Final = 52
"""Characters of a SHA-256 in base32 without padding."""


def new_id(prefix: str, now: datetime) -> str:
    """Make an id such as `job_01jcvw8m6y…`: 48 bits of milliseconds and 80 random bits (a ULID).

    Ids of one prefix sort by the millisecond in which they were made. Those that one isolate makes
    within a millisecond sort in the order in which they were made.
    """
    return f"{prefix}_{_LAST.next(to_milliseconds(now))}"


def derived_id(prefix: str, seed: str, moment: datetime) -> str:
    """Make an id that is always the same for a seed and a moment, to recognize what arrives twice.

    It sorts among the ids of `new_id` by its moment.
    """
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[: RANDOM_BITS // 8], "big")
    time = _crockford(to_milliseconds(moment), TIME_DIGITS)
    return f"{prefix}_{time}{_crockford(number, RANDOM_DIGITS)}"


class _Sequence:
    """Makes ids that rise within a millisecond, by a random step from the last one."""

    def __init__(self) -> None:
        self._milliseconds = -1
        self._random = 0

    def next(self, milliseconds: int) -> str:
        """Make the time and the random part of the next id."""
        # The step is random, so that nobody can guess an id from the one before it.
        following = self._random + 1 + secrets.randbits(STEP_BITS)
        if milliseconds == self._milliseconds and not following >> RANDOM_BITS:
            self._random = following
        else:
            # The first bit is 0: there is room for more than 32,000 greater numbers.
            self._milliseconds, self._random = milliseconds, secrets.randbits(RANDOM_BITS - 1)
        time = _crockford(self._milliseconds, TIME_DIGITS)
        return f"{time}{_crockford(self._random, RANDOM_DIGITS)}"


_LAST: Final = _Sequence()


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
