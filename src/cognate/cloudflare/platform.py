"""The composition root of the Worker: bindings in, ports out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pyodide.ffi import JsProxy

from cognate.cloudflare.database import D1Database
from cognate.cloudflare.queue import EmbeddingsQueue
from cognate.cloudflare.vectorize import VectorizeIndex
from cognate.cloudflare.workers_ai import WorkersAi
from cognate.errors import ConfigurationError
from cognate.models import INDEX_BINDINGS
from cognate.ports import Platform
from cognate.settings import JOB_RETENTION, VARIABLES, Settings

if TYPE_CHECKING:
    from cognate.cloudflare.conversion import JavaScriptObject


class SystemClock:
    """`ports.Clock` by the runtime's clock, which stands still between inputs and outputs."""

    def now(self) -> datetime:
        """See `ports.Clock.now`."""
        return datetime.now(UTC)


def platform_of(env: JavaScriptObject) -> Platform:
    """The ports over the bindings of an unwrapped environment.

    Raises:
        ConfigurationError: a binding is missing; it is named.
    """
    database = D1Database(_required(env, "DB"))
    auth = _binding(env, "AUTH_DB")
    indexes = {name: _binding(env, name) for name in INDEX_BINDINGS.values()}
    return Platform(
        embedder=WorkersAi(_required(env, "AI")),
        indexes={name: VectorizeIndex(index) for name, index in indexes.items() if index},
        database=database,
        auth_database=database if auth is None else D1Database(auth),
        queue=EmbeddingsQueue(_required(env, "EMBEDDINGS_QUEUE")),
        clock=SystemClock(),
    )


def settings_of(env: JavaScriptObject) -> Settings:
    """The settings in the variables and secrets of an unwrapped environment.

    Raises:
        ConfigurationError: a value that cannot be meant.
    """
    found = {name: getattr(env, name, None) for name in VARIABLES}
    return Settings.read(
        {name: value if isinstance(value, str) else None for name, value in found.items()}
    )


def retention_of(env: JavaScriptObject) -> timedelta:
    """How long finished jobs are kept: the one setting that the clock needs.

    Raises:
        ConfigurationError: a value that cannot be meant.
    """
    value = getattr(env, JOB_RETENTION, None)
    return Settings.read({JOB_RETENTION: value if isinstance(value, str) else None}).job_retention


def _binding(env: JavaScriptObject, name: str) -> JavaScriptObject:
    found = getattr(env, name, None)
    return found if isinstance(found, JsProxy) else None


def _required(env: JavaScriptObject, name: str) -> JavaScriptObject:
    found = _binding(env, name)
    if found is None:
        message = f"The binding {name} is missing: add it to wrangler.toml and deploy again."
        raise ConfigurationError(name, message)
    return found
