"""Routes that show and delete texts that were posted without a table."""

from __future__ import annotations

from typing import Final, Literal

from cognate.api.route import Call, Route
from cognate.api.wire import AnswerModel
from cognate.errors import NotFound
from cognate.texts.posted import delete_text, find_text
from cognate.times import to_iso


class TextAnswer(AnswerModel):
    """A posted text; `embeddedAt` is null until it has a vector. Times are ISO 8601 in UTC."""

    job_id: str
    content: str
    model: str
    created_at: str
    embedded_at: str | None


class DeletedText(AnswerModel):
    """The text is deleted; its vectors are removed from the index as soon as a job has run."""

    success: Literal[True] = True


async def get_text(call: Call) -> TextAnswer:
    """Show one text of the caller's organization."""
    found = await find_text(call.platform.database, call.organization_id, call.parameters["jobId"])
    if found is None:
        raise NotFound("text", "There is no such posted text in your organization.")
    return TextAnswer(
        job_id=found.id,
        content=found.content,
        model=found.model,
        created_at=to_iso(found.created_at),
        embedded_at=None if found.embedded_at is None else to_iso(found.embedded_at),
    )


async def remove_text(call: Call) -> DeletedText:
    """Delete one text of the caller's organization."""
    await delete_text(call.platform, call.organization_id, call.parameters["jobId"])
    return DeletedText()


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/embeddings/texts/{jobId}",
        name="embeddings.text",
        summary="Show a text that was posted without a table, by the id of its job.",
        handler=get_text,
        response=TextAnswer,
    ),
    Route(
        method="DELETE",
        path="/api/v1/embeddings/texts/{jobId}",
        name="embeddings.text_delete",
        summary="Delete a text that was posted without a table, and its vectors.",
        handler=remove_text,
        response=DeletedText,
    ),
)
