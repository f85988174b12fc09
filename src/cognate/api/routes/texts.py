"""Routes that show and delete texts that were posted without a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from cognate.api.routing import Call, Route
from cognate.api.wire import AnswerModel, Time
from cognate.errors import NotFound
from cognate.texts.posted import delete_text, find_text

if TYPE_CHECKING:
    from cognate.texts.posted import PostedText


class TextAnswer(AnswerModel):
    """A posted text. `embeddedAt` is null until it has a vector."""

    job_id: str = Field(validation_alias="id")
    content: str
    model: str
    created_at: Time
    embedded_at: Time | None


class DeletedText(AnswerModel):
    """The text is deleted. A job removes its vectors from the index."""

    success: Literal[True] = True


async def get_text(call: Call) -> PostedText:
    """Show one text of the caller's organization."""
    found = await find_text(call.platform.database, call.organization_id, call.parameters["jobId"])
    if found is None:
        raise NotFound("text", "There is no such posted text in your organization.")
    return found


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
