"""Whether the Worker answers at all."""

from __future__ import annotations

from typing import Final, Literal

from cognate.api.route import Call, Route
from cognate.api.wire import AnswerModel


class Health(AnswerModel):
    """The Worker runs; nothing is said about what it depends on."""

    status: Literal["ok"] = "ok"


async def get_health(_call: Call) -> Health:
    """Answer without asking anything."""
    return Health()


ROUTES: Final = (
    Route(
        method="GET",
        path="/healthz",
        name="health.get",
        summary="Tell that the Worker answers.",
        handler=get_health,
        response=Health,
        public=True,
    ),
)
