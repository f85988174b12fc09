"""Serve the HTTP of Cloudflare's AI and Vectorize bindings with the local implementations.

workerd has the code of the bindings (`cloudflare-internal:ai-api` and `vectorize-api`), and it is
the same here and in production. It sends the requests and reads the answers that are written below.
It makes its errors from the body of an answer that is not 200. So the body of an error is such that
the binding rejects with the message of the `BindingError`.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Host, Route, Router

from local.bindings.calls import AI_BINDING
from local.failures import BindingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from local.bindings.calls import Bindings

AI_HOST: Final = "workers-binding.ai"
VECTORIZE_HOST: Final = "vector-search"

BINDING_HEADER: Final = "local-binding"
"""The header with the name of the calling binding. `local/bindings/bindings.mjs` adds it."""

_MODEL_HEADER: Final = "cf-consn-model-id"
_NUMBERED: Final = re.compile(r"(\d+): (.*)", re.DOTALL)
_CODED: Final = re.compile(r"[A-Z_]+_ERROR(?: \(code = (\d+)\))?: (.*)", re.DOTALL)


class BindingService:
    """Answers the requests of the bindings."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def routes(self) -> list[BaseRoute]:
        """One route for the host of each kind of binding."""
        ai = Route("/run", self._run, methods=["POST"])
        index = [
            Route("/info", self._describe, methods=["GET"]),
            Route("/query", self._query, methods=["POST"]),
            *(
                Route(f"/{name}", self._write, methods=["POST"], name=name)
                for name in ("insert", "upsert")
            ),
            *(
                Route(f"/{name}", self._by_ids, methods=["POST"], name=name)
                for name in ("getByIds", "deleteByIds")
            ),
        ]
        return [Host(AI_HOST, Router([ai])), Host(VECTORIZE_HOST, Router(index))]

    async def _run(self, request: Request) -> Response:
        body = await request.json()
        arguments = [request.headers[_MODEL_HEADER], body["inputs"], body["options"]]
        try:
            return JSONResponse(await self._bindings.call(AI_BINDING, "run", arguments))
        except BindingError as error:
            return _ai_error(error)

    async def _describe(self, request: Request) -> Response:
        return await self._vectorize(request, "describe")

    async def _query(self, request: Request) -> Response:
        options: dict[str, Any] = await request.json()
        if "vector" in options:
            return await self._vectorize(request, "query", options.pop("vector"), options)
        return await self._vectorize(request, "queryById", options.pop("vectorId", None), options)

    async def _write(self, request: Request) -> Response:
        lines = (await request.body()).splitlines()
        vectors = [json.loads(line) for line in lines]
        return await self._vectorize(request, request.url.path.strip("/"), vectors)

    async def _by_ids(self, request: Request) -> Response:
        ids = (await request.json()).get("ids")
        return await self._vectorize(request, request.url.path.strip("/"), ids)

    async def _vectorize(self, request: Request, method: str, *arguments: object) -> Response:
        binding = request.headers[BINDING_HEADER]
        try:
            return JSONResponse(await self._bindings.call(binding, method, arguments))
        except BindingError as error:
            return _vectorize_error(error)


def _ai_error(error: BindingError) -> Response:
    found = _NUMBERED.fullmatch(error.message)
    if found is None:
        # The binding takes a body that is not JSON as the message.
        return PlainTextResponse(error.message, HTTPStatus.BAD_GATEWAY)
    content = {"internalCode": int(found[1]), "description": found[2], "name": error.name}
    return JSONResponse(content, HTTPStatus.BAD_REQUEST)


def _vectorize_error(error: BindingError) -> Response:
    found = _CODED.fullmatch(error.message)
    code, sentence = found.groups() if found else (None, error.message)
    # The binding adds the operation to the sentence, and the code if there is one.
    content: Mapping[str, Any] = {"error": sentence, **({"code": int(code)} if code else {})}
    return JSONResponse(content, HTTPStatus.BAD_REQUEST if code else HTTPStatus.BAD_GATEWAY)
