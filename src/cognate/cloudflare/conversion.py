"""Values across the border to JavaScript, each way in as few crossings as there can be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from js import JSON, Object

# The stubs of Pyodide lack it.
from pyodide.ffi import jsnull, to_js  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from cognate.ports import Scalar

JavaScriptObject = Any
"""An object of the runtime: a binding, a request, an array. Its attributes have no Python types."""


def to_javascript(value: object) -> JavaScriptObject:
    """Plain objects and arrays of dicts and lists; JavaScript values in them stay as they are.

    Data of a caller goes by `from_json`, or its numbers by `as_number`.
    """
    return to_js(value, dict_converter=Object.fromEntries)


def to_python(value: JavaScriptObject) -> Any:  # noqa: ANN401 - any value that JSON can hold
    """A JavaScript value as Python has it, by way of one text."""
    return json.loads(JSON.stringify(value))


def as_number(value: Scalar) -> Scalar:
    """The value, a float if it was an int: `to_js` makes a `BigInt` of a large int."""
    return float(value) if type(value) is int else value


def parameter(value: str | float | None) -> JavaScriptObject:
    """A bound parameter, of the types that D1 takes.

    None would become `undefined`, and a large int a `BigInt`.
    """
    return jsnull if value is None else as_number(value)


def from_json(text: str) -> JavaScriptObject:
    """A JavaScript value from JSON.

    Nulls are null, where `to_js` makes `undefined` of None, and numbers are numbers.
    """
    return JSON.parse(text)
