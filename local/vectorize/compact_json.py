"""JSON as `JSON.stringify` writes it, because Vectorize's limits are counted in its bytes."""

from __future__ import annotations

import json


def compact_json(value: object) -> str:
    """Return `value` without spaces and without escapes of non-ASCII text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def compact_json_bytes(value: object) -> int:
    """Return the length of `compact_json(value)`, bytes of UTF-8."""
    return len(compact_json(value).encode("utf-8", "surrogatepass"))
