"""`unhex()`, which D1's SQLite has and a host's may not have yet: it came with SQLite 3.41."""

from __future__ import annotations

import re
from typing import Final

_PAIRS: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")


def unhex(digits: str | float | bytes | None) -> bytes | None:
    """The bytes that hexadecimal digits stand for; None unless it is whole pairs of digits."""
    if digits is None:
        return None
    text = digits.decode("latin-1") if isinstance(digits, bytes) else str(digits)
    return bytes.fromhex(text) if _PAIRS.fullmatch(text) else None
