"""Convert times to text in ISO 8601 in UTC with milliseconds, so that the text sorts by time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=16)
def to_iso(moment: datetime) -> str:
    """Write a moment as `2026-11-17T09:30:00.000Z`. One request writes few moments, many times."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def from_iso(text: str) -> datetime:
    """The time in UTC of a text that `to_iso` made."""
    return datetime.fromisoformat(text).astimezone(UTC)
