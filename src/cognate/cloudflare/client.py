"""Similarity from Python: for code of your own that runs in the same Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyodide.ffi import JsProxy
from workers import import_from_javascript

from cognate.cloudflare.platform import complete, platform_of
from cognate.principal import OrganizationId
from cognate.search.services import OrganizationEmbeddings

if TYPE_CHECKING:
    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.schema import Cognate


def environment() -> JavaScriptObject:
    """The environment of the running Worker, unwrapped."""
    return import_from_javascript("cloudflare:workers").env


def create_embeddings(
    env: object, organization_id: str = "", *, app: Cognate | None = None
) -> OrganizationEmbeddings:
    """The similarity services of a schema, bound to one organization.

    Args:
        env: the Worker's environment, as an entrypoint has it in `self.env`.
        organization_id: whose records are searched; never empty. The caller vouches for it: take
            it from a verified credential, never from a request's body.
        app: the schema; the `app` of `schema.py` when None.

    Raises:
        ConfigurationError: a binding is missing; it is named.
        ValueError: no organization; the message says why one is needed.
    """
    if app is None:
        import schema  # noqa: PLC0415 - the user's file, which imports this package

        app = schema.app
    raw = env if isinstance(env, JsProxy) else environment()
    return OrganizationEmbeddings(app, platform_of(complete(raw)), OrganizationId(organization_id))
