"""The route that embeds texts at once, in Workers AI's own form. Nothing is stored."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

from cognate.api.routing import Call, Route
from cognate.api.wire import AnswerModel, Identifier, RequestModel
from cognate.models import requested_model
from cognate.search import embed_now
from cognate.text_limits import require_text
from cognate.validation import refuse_field

MAX_TEXTS: Final = 100
"""Texts of one Workers AI call."""

TEXT_SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
}
"""The schema that Workers AI publishes for `text` of the task `text-embeddings`."""


def _texts(value: object) -> list[str]:
    """Return one text or several as a list. An error points at its text."""
    if isinstance(value, str):
        return [require_text(value)]
    if not isinstance(value, list):
        refuse_field("", "must be a string or an array of strings")
    if not 1 <= len(value) <= MAX_TEXTS:
        refuse_field("", f"must hold 1 to {MAX_TEXTS} texts")
    for place, text in enumerate(value):
        if not isinstance(text, str):
            refuse_field(f"/{place}", "must be a string")
        require_text(text, f"/{place}")
    return value


class RunRequest(RequestModel):
    """Up to 100 texts, and the model. Without a model the default one is used."""

    text: Annotated[Any, AfterValidator(_texts), WithJsonSchema(TEXT_SCHEMA)]
    model: Identifier | None = None


class RunAnswer(AnswerModel):
    """One vector for each text, in order. `shape` is the number of vectors and of dimensions."""

    shape: list[int]
    data: list[list[float]]


async def post_run(call: Call) -> RunAnswer:
    """Embed texts at once."""
    body = call.body(RunRequest)
    model = requested_model(body.model)
    data = await embed_now(call.platform, model, body.text, "/text")
    return RunAnswer(shape=[len(data), model.dimensions], data=data)


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/embeddings/run",
        name="embeddings.run",
        summary="Embed up to a hundred texts at once, in Workers AI's own form; nothing is stored.",
        handler=post_run,
        request=RunRequest,
        response=RunAnswer,
    ),
)
