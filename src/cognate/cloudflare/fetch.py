"""Translate requests and responses between the runtime and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from js import Array, Uint8Array
from js import Response as JavaScriptResponse
from pyodide.ffi import JsProxy, to_js

from cognate.api.http import Request, Response
from cognate.cloudflare.conversion import to_javascript, to_python

if TYPE_CHECKING:
    from cognate.api.http import BodyReader
    from cognate.cloudflare.conversion import JavaScriptObject


def request_of(request: JavaScriptObject) -> Request:
    """Convert a request of the runtime. Its body is read later, on demand."""
    return Request.of(
        request.method, request.url, to_python(Array.from_(request.headers)), _reader(request)
    )


def response_of(response: Response) -> JavaScriptObject:
    """Convert a response of the API for the runtime."""
    options = to_javascript({"status": response.status, "headers": dict(response.headers)})
    return JavaScriptResponse.new(to_js(response.body) if response.body else None, options)


def _reader(request: JavaScriptObject) -> BodyReader:
    async def read(limit: int) -> bytes:
        """Read the body until it is longer than `limit`. The rest of a longer body is not read."""
        if not isinstance(request.body, JsProxy):
            return b""
        body: JavaScriptObject = request.body
        reader = body.getReader()
        parts: list[bytes] = []
        size = 0
        while size <= limit:
            step = await reader.read()
            if step.done:
                break
            parts.append(Uint8Array.new(step.value).to_bytes())
            size += len(parts[-1])
        else:
            await reader.cancel()
        return b"".join(parts)

    return read
