"""Logs are events: one JSON object a line, named by its `event`, and never any document text."""

from __future__ import annotations

import json


def emit(event: str, **fields: str | float | bool | None) -> None:
    """Write one event to the log.

    Args:
        event: `noun.verb`, such as `job.failed`; stable, so that a log can be searched by it.
        fields: ids, codes, counts and durations; no texts, no credentials.
    """
    print(json.dumps({"event": event, **fields}, separators=(",", ":")))  # noqa: T201 - the log
