"""The instrumented Worker, which also measures each of its statements.

The measurements are read below `/test/` too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.cloudflare.client import environment
from cognate.cloudflare.platform import platform_of
from cognate.consumer import consume
from cognate.jobs.messages import Delivery
from schema import app
from tests.worker import instrumented
from tests.worker.measuring import drain, measured, note_sites

if TYPE_CHECKING:
    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.ports import Platform

DEAD_LETTERS = "cognate-embeddings-dlq"


def _measured_platform_of(env: JavaScriptObject) -> Platform:
    return measured(platform_of(env))


note_sites()
setattr(instrumented, "platform_of", _measured_platform_of)  # noqa: B010 - the one thing replaced


async def take_dead_letters(_: object, asked: dict[str, Any]) -> None:
    """Handle messages as the dead-letter queue delivers them: `{"bodies"}`."""
    deliveries = [
        Delivery(f"dead-{number}", body, 1) for number, body in enumerate(asked["bodies"])
    ]
    platform = measured(platform_of(environment()))
    await consume(platform, app, DEAD_LETTERS, deliveries)


async def read_measurements(_: object, __: dict[str, Any]) -> list[dict[str, Any]]:
    """What was measured since this was asked last."""
    return drain()


instrumented.INSTRUMENTS.update(
    {
        "/test/dead-letters": take_dead_letters,
        "/test/measurements": read_measurements,
    }
)


class Default(instrumented.Default):
    """The instrumented entry."""
