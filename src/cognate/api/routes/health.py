"""Routes for health (does the Worker answer?) and readiness (is its deployment complete?)."""

from __future__ import annotations

from typing import Final, Literal

from cognate.api.routing import Call, Reply, Route
from cognate.api.wire import AnswerModel
from cognate.schema.readiness import Gap, database_gaps, index_gaps, setting_gaps

UNREADY_STATUS: Final = 503


class Health(AnswerModel):
    """The Worker answers. This says nothing about the services that it depends on."""

    status: Literal["ok"] = "ok"


class Readiness(AnswerModel):
    """The parts that the deployment lacks. It is ready if nothing is missing."""

    ready: bool
    missing: list[Gap]


async def get_health(_call: Call) -> Health:
    """Answer without a call of any service."""
    return Health()


async def get_readiness(call: Call) -> Reply:
    """List each binding, setting, table, column and trigger that is missing."""
    found = [*setting_gaps(call.broken), *index_gaps(call.app, call.platform.indexes)]
    if not any(error.setting == "DB" for error in call.broken):
        found += await database_gaps(call.platform.database, call.app)
    answer = Readiness(ready=not found, missing=found)
    return Reply(answer, status=UNREADY_STATUS if found else None)


ROUTES: Final = (
    Route(
        method="GET",
        path="/healthz",
        name="health.get",
        summary="Check that the Worker answers.",
        handler=get_health,
        response=Health,
        public=True,
    ),
    Route(
        method="GET",
        path="/api/v1/ready",
        name="health.ready",
        summary="List each binding, setting, table, column and trigger that the deployment lacks.",
        handler=get_readiness,
        response=Readiness,
        answers_if_broken=True,
    ),
)
