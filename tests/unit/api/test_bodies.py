"""From bytes to a JSON object."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.api.bodies import MAX_BODY_BYTES, read_object
from cognate.api.http import Request
from cognate.api.refusals import MalformedJson, PayloadTooLarge, UnsupportedMediaType
from cognate.errors import InvalidInput

JSON = "application/json"


class Body:
    """A body that knows whether it was read."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.was_read = False

    async def read(self, _limit: int) -> bytes:
        """All of it, over the limit or not."""
        self.was_read = True
        return self.content


async def read(
    content: bytes, content_type: str | None = JSON, length: str | None = None, limit: int = 1000
) -> dict[str, Any]:
    """The object in a body."""
    return await read_from(Body(content), content_type, length, limit)


async def read_from(
    body: Body, content_type: str | None = JSON, length: str | None = None, limit: int = 1000
) -> dict[str, Any]:
    """The object in that body."""
    named = {"content-type": content_type, "content-length": length}
    headers = [(name, value) for name, value in named.items() if value is not None]
    request = Request.of("POST", "https://a.example/", headers, body.read)
    return await read_object(request, limit)


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
async def test_reads_json(content_type: str) -> None:
    """However its media type is written."""
    assert await read(' {"a": "\u00e9"}\n'.encode(), content_type) == {"a": "\u00e9"}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/problem+json",
    ],
)
async def test_refuses_another_media_type_without_reading(content_type: str | None) -> None:
    """A form of a foreign page can send text/plain, and needs no preflight for it."""
    body = Body(b"{}")

    with pytest.raises(UnsupportedMediaType):
        await read_from(body, content_type)
    assert not body.was_read


@pytest.mark.parametrize("length", ["1001", "99999999999", "9" * 5000, "01001"])
async def test_a_declared_length_over_the_limit_is_refused_without_reading(length: str) -> None:
    """Nothing of it is loaded."""
    body = Body(b"{}")

    with pytest.raises(PayloadTooLarge):
        await read_from(body, length=length)
    assert not body.was_read


@pytest.mark.parametrize("length", [None, "2", "0", "-1", "a lot", "\u0661"])
async def test_a_length_that_lies_is_found_out(length: str | None) -> None:
    """The body itself is measured as well."""
    with pytest.raises(PayloadTooLarge):
        await read(b'"' + b"x" * 999 + b'"', length=length)


@pytest.mark.parametrize("length", [None, "1000", "0001000"])
async def test_a_body_of_exactly_the_limit_is_read(length: str | None) -> None:
    """One byte more is too much, this is not."""
    assert await read(b'{"a":"' + b"x" * 992 + b'"}', length=length) == {"a": "x" * 992}


def test_the_limit_is_a_mebibyte() -> None:
    """A hundred thousand characters of six bytes each, as escapes, have room."""
    assert MAX_BODY_BYTES == 1_048_576


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  ", id="blank"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="a comma too many"),
        pytest.param(b'{"a": 1} {}', id="two objects"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="Infinity"),
        pytest.param(b'{"a": 1, "a": 2}', id="a name twice"),
        pytest.param(b'{"b": [{"a": 1, "a": 1}]}', id="a name twice, deeper"),
        pytest.param(b'{"a": 1, "\\u0061": 2}', id="a name twice, escaped"),
        pytest.param(b'{"a": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a": "\n"}', id="a line break in a string"),
        pytest.param(b"[" * 400 + b"]" * 400, id="too deep"),
        pytest.param(b'{"a":' * 490, id="too deep, objects"),
        pytest.param(b'{"a": ' + b"1" * 5000 + b"}", id="a number of 5,000 digits"),
    ],
)
async def test_malformed_json_is_refused(content: bytes) -> None:
    """What is no JSON, and what two readers would read differently."""
    with pytest.raises(MalformedJson):
        await read(content, limit=10_000)


async def test_the_place_is_told_and_the_text_is_not() -> None:
    """The parser's own message could quote the body."""
    with pytest.raises(MalformedJson) as caught:
        await read(b'{"secret":\n "canary" canary}')
    assert str(caught.value) == "The body is not valid JSON: see line 2 column 11."


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"1", b"null", b"true", b"[{}]"])
async def test_anything_but_an_object_breaks_a_rule(content: bytes) -> None:
    """It is JSON, but no request of ours."""
    with pytest.raises(InvalidInput) as caught:
        await read(content)
    assert [field.pointer for field in caught.value.fields] == [""]
