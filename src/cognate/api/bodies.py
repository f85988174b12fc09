"""From the bytes of a request to a JSON object, refusing early and without ambiguity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from cognate.api.refusals import MalformedJson, PayloadTooLarge, UnsupportedMediaType
from cognate.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from cognate.api.http import Request

MAX_BODY_BYTES: Final = 1024 * 1024
"""Bytes of a request's body: room for a hundred thousand characters of any script, and escapes."""


async def read_object(request: Request, limit: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The JSON object in a request's body of at most `limit` bytes.

    Raises:
        UnsupportedMediaType: it is not declared as `application/json`.
        PayloadTooLarge: `Content-Length` says so (nothing is read then), or the body itself does.
        MalformedJson: it is no JSON; or it has a name twice, NaN, half a surrogate pair, or more
            than 200 levels, which readers do not agree on.
        InvalidInput: it is JSON but no object.
    """
    _require_json(request.headers.get("content-type", ""))
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and _exceeds(declared, limit):
        raise PayloadTooLarge(limit)
    body = await request.read_body(limit)
    if len(body) > limit:
        raise PayloadTooLarge(limit)
    value = _parse(body)
    if not isinstance(value, dict):
        raise InvalidInput(FieldError("", "must be a JSON object"))
    return value


def _exceeds(digits: str, limit: int) -> bool:
    significant = digits.lstrip("0")
    # By length first: `int` refuses numbers of thousands of digits.
    return len(significant) > len(str(limit)) or int(significant or "0") > limit


def _require_json(content_type: str) -> None:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [
        value.strip('"')
        for name, _, value in (parameter.partition("=") for parameter in parameters)
        if name == "charset"
    ]
    if media_type != "application/json" or any(value != "utf-8" for value in charsets):
        raise UnsupportedMediaType


def _parse(body: bytes) -> Any:  # noqa: ANN401 - JSON of any kind
    if not body.strip():
        message = "The body is empty; send a JSON object."
        raise MalformedJson(message)
    try:
        # The first reader bounds the depth, refuses NaN, bad UTF-8 and lone surrogates, but lets
        # the last of two equal names win; the second sees the names.
        from_json(body, allow_inf_nan=False)
        return json.loads(body.decode(), object_pairs_hook=_unique_names)
    except ValueError as error:
        # The parser's own words may quote the body; only the place is told.
        message = f"The body is not valid JSON{_place(error)}."
        raise MalformedJson(message) from None


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        message = "An object in the body has the same name twice; send each name once."
        raise MalformedJson(message)
    return names


def _place(error: ValueError) -> str:
    _, at, place = str(error).rpartition(" at line ")
    return f": see line {place}" if at else ""
