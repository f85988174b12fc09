"""Convert values between Python and JavaScript, with as few calls between them as possible."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from js import JSON, Object

# Pyodide's type stubs do not have `jsnull`.
from pyodide.ffi import jsnull, to_js  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from cognate.ports import Scalar

JavaScriptObject = Any
"""A JavaScript object, such as a binding, a request or an array. Its attributes have no types."""


def to_javascript(value: object) -> JavaScriptObject:
    """Convert dicts and lists to objects and arrays. JavaScript values in them stay as they are.

    For data of a caller use `from_json`, or `as_number` for its numbers.
    """
    return to_js(value, dict_converter=Object.fromEntries)


def to_python(value: JavaScriptObject) -> Any:  # noqa: ANN401 - any value that JSON can hold
    """Convert a JavaScript value to Python. It is passed as one JSON text."""
    return json.loads(JSON.stringify(value))


def as_number(value: Scalar) -> Scalar:
    """Convert an int to a float, because `to_js` makes a `BigInt` of a large int."""
    return float(value) if type(value) is int else value


def parameter(value: str | float | None) -> JavaScriptObject:
    """Convert a statement's parameter to a type that D1 accepts.

    `to_js` would make `undefined` of None, and a `BigInt` of a large int. D1 accepts neither.
    """
    return jsnull if value is None else as_number(value)


def from_json(text: str) -> JavaScriptObject:
    """Parse JSON to a JavaScript value.

    Unlike `to_js` it makes null of a null, and a number of a large int.
    """
    return JSON.parse(text)
