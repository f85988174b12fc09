"""The composition root of the Worker. It builds the ports from the bindings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pyodide.ffi import JsProxy

from cognate.cloudflare.database import D1Database
from cognate.cloudflare.queues import EmbeddingsQueue
from cognate.cloudflare.vectorize import VectorizeIndex
from cognate.cloudflare.workers_ai import WorkersAi
from cognate.errors import ConfigurationError
from cognate.models import INDEX_BINDINGS
from cognate.ports import Platform
from cognate.settings import AUTH_DATABASE, RETENTIONS, VARIABLES, Settings

if TYPE_CHECKING:
    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.settings import Retention

REQUIRED_BINDINGS: Final = ("DB", "AI", "EMBEDDINGS_QUEUE")
"""Bindings without which nothing works. A missing Vectorize index only breaks what uses it."""


class SystemClock:
    """`ports.Clock` over the runtime's clock, which only moves on at inputs and outputs."""

    def now(self) -> datetime:
        """See `ports.Clock.now`."""
        return datetime.now(UTC)


class UnusableBinding:
    """Takes the place of a port whose binding is missing or of another kind."""

    def __init__(self, error: ConfigurationError) -> None:
        """Keep the error that every use raises."""
        self.error = error

    async def batch(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - of no use
        """Raise `ConfigurationError`."""
        raise self.error

    embed = send = batch


def platform_of(env: JavaScriptObject) -> Platform:
    """Make the ports over the bindings of an environment.

    A port whose binding is missing or unusable raises `ConfigurationError` when it is used.
    """
    found = {name: _binding(env, name) for name in REQUIRED_BINDINGS}
    indexes = {name: _binding(env, name) for name in INDEX_BINDINGS.values()}
    database = D1Database(found["DB"]) if found["DB"] else UnusableBinding(_missing("DB"))
    return Platform(
        embedder=WorkersAi(found["AI"]) if found["AI"] else UnusableBinding(_missing("AI")),
        indexes={name: VectorizeIndex(index) for name, index in indexes.items() if index},
        database=database,
        auth_database=_auth_database(env) or database,
        queue=EmbeddingsQueue(found["EMBEDDINGS_QUEUE"])
        if found["EMBEDDINGS_QUEUE"]
        else UnusableBinding(_missing("EMBEDDINGS_QUEUE")),
        clock=SystemClock(),
    )


def settings_of(env: JavaScriptObject) -> tuple[Settings, list[ConfigurationError]]:
    """Read the settings of an environment, and find the errors of the deployment.

    Returns:
        The settings, and the errors. A setting that cannot be read has its default, and an error. A
        binding that is missing or is not a database has an error.
    """
    settings, errors = Settings.examine(_variables(env))
    absent = [_missing(name) for name in REQUIRED_BINDINGS if _binding(env, name) is None]
    auth = _auth_database(env)
    unusable = [auth.error] if isinstance(auth, UnusableBinding) else []
    return settings, [*absent, *unusable, *errors]


def complete(env: JavaScriptObject) -> JavaScriptObject:
    """Return the environment if it has all bindings.

    Raises:
        ConfigurationError: a binding is missing. The message names it.
    """
    for name in REQUIRED_BINDINGS:
        if _binding(env, name) is None:
            raise _missing(name)
    return env


def retention_of(env: JavaScriptObject) -> Retention:
    """Read the retention settings of an environment.

    Raises:
        ConfigurationError: a value makes no sense.
    """
    variables = _variables(env)
    return Settings.read({name: variables[name] for name in RETENTIONS}).retention


def _variables(env: JavaScriptObject) -> dict[str, str | None]:
    found = {name: getattr(env, name, None) for name in VARIABLES}
    return {name: value if isinstance(value, str) else None for name, value in found.items()}


def _binding(env: JavaScriptObject, name: str) -> JavaScriptObject:
    found = getattr(env, name, None)
    return found if isinstance(found, JsProxy) else None


def _auth_database(env: JavaScriptObject) -> D1Database | UnusableBinding | None:
    """Return the database that is bound as AUTH_DB, or None."""
    found: JavaScriptObject = getattr(env, AUTH_DATABASE, None)
    if found is None:
        return None
    # A service binding has every method that one asks for, `fetch` among them.
    if not hasattr(found, "prepare") or hasattr(found, "fetch"):
        message = f"{AUTH_DATABASE} is not a D1 database: bind it under [[d1_databases]]"
        return UnusableBinding(ConfigurationError(AUTH_DATABASE, message))
    return D1Database(found)


def _missing(name: str) -> ConfigurationError:
    return ConfigurationError(
        name, f"The binding {name} is missing: add it to wrangler.toml and deploy again."
    )
