"""Write log events: one JSON object per line, without any document text."""

from __future__ import annotations

import json


def emit(event: str, **fields: str | float | bool | None) -> None:
    """Write one event to the log.

    Args:
        event: a stable name of a noun and a verb, such as `job.failed`.
        fields: ids, codes, counts and durations. No texts and no credentials.
    """
    print(json.dumps({"event": event, **fields}, separators=(",", ":")))  # noqa: T201 - the log
