"""The Worker's entry points: HTTP requests, queue batches and the cron task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import Request, WorkerEntrypoint, python_to_rpc

from cognate.api.application import Application
from cognate.cloudflare.client import environment
from cognate.cloudflare.fetch import request_of, response_of
from cognate.cloudflare.platform import complete, platform_of, retention_of, settings_of
from cognate.cloudflare.queues import deliveries_of, settle
from cognate.consumer import consume
from cognate.sweeper import sweep
from schema import app

if TYPE_CHECKING:
    from cognate.cloudflare.conversion import JavaScriptObject

api = Application(app)


class Default(WorkerEntrypoint):
    """The handlers that Cloudflare calls."""

    async def fetch(self, request: Request) -> JavaScriptObject:
        """Answer one HTTP request."""
        env, asked = environment(), request_of(request.js_object)
        settings, broken = settings_of(env)
        return response_of(await api.handle(asked, platform_of(env), settings, broken))

    async def queue(self, batch: object, env: object, ctx: object) -> None:  # noqa: ARG002
        """Handle one batch of queue messages."""
        raw: JavaScriptObject = python_to_rpc(batch)
        platform = platform_of(complete(environment()))
        verdicts = await consume(platform, app, raw.queue, deliveries_of(raw))
        settle(raw, verdicts)

    async def scheduled(self, controller: object, env: object, ctx: object) -> None:  # noqa: ARG002
        """Run the cron task."""
        bindings = complete(environment())
        await sweep(platform_of(bindings), app, retention_of(bindings))
