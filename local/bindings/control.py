"""`/control`: endpoints with which tests order faults, read counts and look at vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse
from starlette.routing import Route

from local.bindings.calls import AI_BINDING
from local.bindings.cloudflare_errors import cloudflare_error
from local.bindings.faults import SHAPE_KINDS, Fault, FaultKind

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from local.bindings.calls import Bindings

_UNPROCESSABLE: Final = 422


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _FaultBody(_Strict):
    binding: str
    method: str
    kind: FaultKind = "error"
    count: int = Field(default=1, ge=1)
    name: str = "Error"
    message: str = "a fault was asked for"
    number: int | None = None
    seconds: float = Field(default=0.0, ge=0)
    by: int = Field(default=1, ge=1)
    match: str | None = None


class _VisibilityBody(_Strict):
    seconds: float = Field(ge=0)


class _NoiseBody(_Strict):
    amount: float = Field(ge=0, le=1)


class Control:
    """The endpoints below `/control`, for these bindings."""

    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings

    def routes(self) -> list[Route]:
        """The routes, relative to their mount."""
        return [
            Route("/faults", self.add_fault, methods=["POST"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/calls", self.calls, methods=["GET"]),
            Route("/calls", self.reset_calls, methods=["DELETE"]),
            Route("/visibility", self.visibility, methods=["PUT"]),
            Route("/noise", self.noise, methods=["PUT"]),
            Route("/settle", self.settle, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/vectors/{binding}", self.vectors, methods=["GET"]),
        ]

    async def add_fault(self, request: Request) -> Response:
        """Add a `local.bindings.faults.Fault`, given as JSON. `binding` and `method` are required.

        `number`, such as 3040 or 40041, selects the error of that number in Cloudflare's words.
        """
        body = _FaultBody.model_validate_json(await request.body())
        if body.kind in SHAPE_KINDS and (body.binding, body.method) != (AI_BINDING, "run"):
            return _refused(f'kind "{body.kind}" is for {AI_BINDING}.run only')
        fault = Fault(**body.model_dump(exclude={"number"}))
        if body.number is not None:
            error = cloudflare_error(body.method, body.number)
            if error is None:
                return _refused(f"{body.binding}.{body.method} has no error {body.number}")
            fault = replace(fault, name=error.name, message=error.message)
        self._bindings.faults.add(fault)
        return JSONResponse({"waiting": self._bindings.faults.waiting()})

    async def clear_faults(self, _: Request) -> Response:
        """Remove all faults."""
        self._bindings.faults.clear()
        return JSONResponse({"waiting": 0})

    async def calls(self, _: Request) -> Response:
        """Answer `{"calls": {"AI.run": n, ...}, "texts": n, "vectors": n}`."""
        return JSONResponse(self._bindings.counts.to_wire())

    async def reset_calls(self, _: Request) -> Response:
        """Set the counts to zero."""
        self._bindings.reset_counts()
        return JSONResponse(self._bindings.counts.to_wire())

    async def visibility(self, request: Request) -> Response:
        """Set the delay of later writes of every index, given as `{"seconds": x}`."""
        body = _VisibilityBody.model_validate_json(await request.body())
        for index in self._bindings.indexes.values():
            index.visibility_seconds = body.seconds
        return JSONResponse(body.model_dump())

    async def noise(self, request: Request) -> Response:
        """Set the largest error of scores of every index, given as `{"amount": x}`."""
        body = _NoiseBody.model_validate_json(await request.body())
        for index in self._bindings.indexes.values():
            index.score_noise = body.amount
        return JSONResponse(body.model_dump())

    async def settle(self, _: Request) -> Response:
        """Make every pending write visible."""
        for index in self._bindings.indexes.values():
            index.settle()
        return JSONResponse({"settled": True})

    async def reset(self, _: Request) -> Response:
        """Drop all vectors and all pending writes."""
        for index in self._bindings.indexes.values():
            index.clear()
        return JSONResponse({"reset": True})

    async def vectors(self, request: Request) -> Response:
        """Answer the visible vectors: `{"vectors": [{id, namespace, metadata}], "pending": n}`."""
        index = self._bindings.indexes.get(request.path_params["binding"])
        if index is None:
            return _refused(f"no such binding; there are {', '.join(self._bindings.indexes)}")
        rows = [
            {"id": entry.id, "namespace": entry.namespace, "metadata": entry.metadata}
            for entry in index.entries()
        ]
        return JSONResponse({"vectors": rows, "pending": index.pending()})


async def invalid_body(_: Request, error: Exception) -> Response:
    """Answer 422 with the first mistake of a control request."""
    if not isinstance(error, ValidationError):
        raise error
    first = error.errors()[0]
    return _refused(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")


def _refused(message: str) -> Response:
    return JSONResponse({"error": message}, status_code=_UNPROCESSABLE)
