"""Values across the border to JavaScript, each way in as few crossings as there can be."""

from __future__ import annotations

import json
from typing import Any

from js import JSON, Object

# The stubs of Pyodide lack it.
from pyodide.ffi import jsnull, to_js  # type: ignore[attr-defined]

JavaScriptObject = Any
"""An object of the runtime: a binding, a request, an array. Its attributes have no Python types."""


def to_javascript(value: object) -> JavaScriptObject:
    """Plain objects and arrays of dicts and lists; JavaScript values in them stay as they are."""
    return to_js(value, dict_converter=Object.fromEntries)


def to_python(value: JavaScriptObject) -> Any:  # noqa: ANN401 - any value that JSON can hold
    """A JavaScript value as Python has it, by way of one text."""
    return json.loads(JSON.stringify(value))


def parameter(value: str | float | None) -> JavaScriptObject:
    """A bound parameter, of the types that D1 takes.

    None would become `undefined`, and a large int a `BigInt`; a float is always a number.
    """
    if value is None:
        return jsnull
    return float(value) if isinstance(value, int) else value


def from_json(text: str) -> JavaScriptObject:
    """A JavaScript value from JSON: nulls stay null, where `to_js` makes them `undefined`."""
    return JSON.parse(text)
