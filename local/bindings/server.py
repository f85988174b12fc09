"""`python -m local.bindings.server`: serve Workers AI and Vectorize to the Worker's bindings.

The bindings speak the HTTP of `local.bindings.binding_http`. Tests and tools outside the Worker use
`POST /rpc/{binding}/{method}`. It takes `{"arguments": [...]}` and answers `{"result": ...}`, or
`{"error": {"name", "message"}}` for a rejected call. Both have status 200.

The process listens on 127.0.0.1 only and has no authentication. Its data is in one SQLite file in
the state folder.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from local.ai.bge_models import BgeEncoder
from local.ai.embedding_spaces import StandInEncoder
from local.ai.local_workers_ai import LONG_CONTEXT_MODELS, LocalWorkersAI
from local.ai.sentence_model import SentenceModel
from local.ai.word_encoder import WordEncoder
from local.bindings.binding_http import AI_HOST, VECTORIZE_HOST, BindingService
from local.bindings.calls import Bindings
from local.bindings.control import Control, invalid_body
from local.failures import BindingError, StartError
from local.vectorize.index_config import read_index_config
from local.vectorize.local_vectorize import LocalVectorize
from local.vectorize.store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from local.ai.embedding_spaces import TextEncoder

HOST: Final = "127.0.0.1"
HOSTS: Final = [HOST, "localhost", AI_HOST, VECTORIZE_HOST]
AI_VARIABLE: Final = "LOCAL_AI"
"""The variable that chooses the encoder: `minilm` (the default) for the built-in sentence model,
`bge` for the real bge weights, `words` for a cheap encoder that knows no meaning."""
STATE_FILE: Final = "vectorize.sqlite3"

_DEFAULT_MODEL: Final = "@cf/baai/bge-base-en-v1.5"
_BAD_REQUEST: Final = 400
_CANNOT_START: Final = 1


def create_app(bindings: Bindings, ai: str = "minilm") -> Starlette:
    """The HTTP application over the bindings. `/healthz` answers `ai`, the name of the encoder."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "ai": ai, "indexes": list(bindings.indexes)})

    async def rpc(request: Request) -> Response:
        try:
            arguments = json.loads(await request.body())["arguments"]
        except (ValueError, KeyError, TypeError):
            arguments = None
        if not isinstance(arguments, list):
            return JSONResponse(
                {"error": 'expected {"arguments": [...]}'}, status_code=_BAD_REQUEST
            )
        binding, method = request.path_params["binding"], request.path_params["method"]
        try:
            return JSONResponse({"result": await bindings.call(binding, method, arguments)})
        except BindingError as error:
            return JSONResponse({"error": error.to_wire()})

    return Starlette(
        routes=[
            *BindingService(bindings).routes(),
            Route("/healthz", health, methods=["GET"]),
            Route("/rpc/{binding}/{method}", rpc, methods=["POST"]),
            Mount("/control", routes=Control(bindings).routes()),
        ],
        # A web page whose host name resolves to this machine must not reach the bindings.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        exception_handlers={ValidationError: invalid_body},
    )


def create_encoder(environment: Mapping[str, str]) -> tuple[TextEncoder, str]:
    """The encoder that `LOCAL_AI` names, and its name.

    Raises:
        StartError: the name is unknown, or the weights are missing or wrong.
    """
    name = environment.get(AI_VARIABLE) or "minilm"
    if name == "minilm":
        return StandInEncoder(SentenceModel.load(), LONG_CONTEXT_MODELS), name
    if name == "bge":
        return BgeEncoder.connect(_DEFAULT_MODEL), name
    if name == "words":
        return StandInEncoder(WordEncoder(), LONG_CONTEXT_MODELS), name
    message = f"{AI_VARIABLE} is {name!r}; use minilm (the default), bge or words."
    raise StartError(message)


def create_bindings(
    encoder: TextEncoder, index_config: Path, state: Path, visibility_seconds: float = 0.0
) -> Bindings:
    """The bindings over the data in the folder `state`, which is made if it is missing.

    Raises:
        StartError: the configuration is not valid or does not fit the data.
    """
    configs = read_index_config(index_config)
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The state folder {state} cannot be made ({error.strerror})."
        raise StartError(message) from error
    store = VectorStore(state / STATE_FILE)
    indexes = [
        LocalVectorize(config, store, visibility_seconds=visibility_seconds) for config in configs
    ]
    return Bindings(LocalWorkersAI(encoder), indexes)


def serve(arguments: Sequence[str] | None = None) -> int:
    """Serve until the process is stopped. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        listener = _listen(options.port)
        encoder, ai = create_encoder(os.environ)
        bindings = create_bindings(encoder, options.index_config, options.state, options.visibility)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return _CANNOT_START
    config = uvicorn.Config(
        create_app(bindings, ai), log_level="warning", access_log=False, lifespan="off"
    )
    # Ctrl-C is the usual way to stop it. uvicorn has closed everything before it raises this.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        message = (
            f"Port {port} is taken ({error.strerror}); stop what listens there or use another."
        )
        raise StartError(message) from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.bindings.server",
        description=f"Workers AI and Vectorize on {HOST}, for the Worker and for tests.",
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the vectors")
    parser.add_argument(
        "--index-config",
        type=Path,
        required=True,
        help="JSON file that lists the Vectorize indexes",
    )
    parser.add_argument(
        "--visibility",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="delay until a write is seen by queries (default: 0; on Cloudflare up to minutes)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(serve())
