"""Routes that tell whether the Worker answers, and whether its deployment is complete."""

from __future__ import annotations

from typing import Final, Literal

from cognate.api.route import Call, Reply, Route
from cognate.api.wire import AnswerModel
from cognate.schema.readiness import database_gaps, index_gaps, setting_gaps

UNREADY_STATUS: Final = 503


class Health(AnswerModel):
    """The Worker runs; nothing is said about what it depends on."""

    status: Literal["ok"] = "ok"


class MissingPart(AnswerModel):
    """One thing that the deployment lacks; `message` says what to do."""

    kind: str
    name: str
    message: str


class Readiness(AnswerModel):
    """Whether the deployment is complete; `ready` is true where nothing is missing."""

    ready: bool
    missing: list[MissingPart]


async def get_health(_call: Call) -> Health:
    """Answer without asking anything."""
    return Health()


async def get_readiness(call: Call) -> Reply:
    """Name each binding, setting, table, column and trigger that is missing."""
    found = [*setting_gaps(call.broken), *index_gaps(call.app, call.platform.indexes)]
    if not any(error.setting == "DB" for error in call.broken):
        found += await database_gaps(call.platform.database, call.app)
    parts = [MissingPart(kind=gap.kind, name=gap.name, message=gap.message) for gap in found]
    answer = Readiness(ready=not parts, missing=parts)
    return Reply(answer, status=UNREADY_STATUS if parts else None)


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
    Route(
        method="GET",
        path="/api/v1/ready",
        name="health.ready",
        summary="Name each binding, setting, table, column and trigger that the deployment lacks.",
        handler=get_readiness,
        response=Readiness,
        answers_if_broken=True,
    ),
)
