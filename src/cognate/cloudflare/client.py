"""The similarity services for your own Python code in the same Worker."""

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
    """Return the environment of the running Worker, without the SDK's wrapper."""
    return import_from_javascript("cloudflare:workers").env


def create_embeddings(
    env: object, organization_id: str = "", *, app: Cognate | None = None
) -> OrganizationEmbeddings:
    """Return the similarity services of a schema for one organization.

    Args:
        env: the Worker's environment, which an entrypoint has as `self.env`.
        organization_id: the owner of the records to search. It must not be empty. Take it from a
            verified credential, never from a request's body.
        app: the schema. If None, the `app` of `schema.py`.

    Raises:
        ConfigurationError: a binding is missing. The message names it.
        ValueError: the organization is empty.
    """
    if app is None:
        import schema  # noqa: PLC0415 - the user's file, which imports this package

        app = schema.app
    raw = env if isinstance(env, JsProxy) else environment()
    return OrganizationEmbeddings(app, platform_of(complete(raw)), OrganizationId(organization_id))
