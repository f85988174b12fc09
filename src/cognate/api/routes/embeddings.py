"""Routes that accept texts to embed, and list the tables whose records are embedded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from cognate.api.embedding_permissions import refusals_of_texts
from cognate.api.problems import Problem, problem_of
from cognate.api.refusals import InvalidIdempotencyKey
from cognate.api.routing import Call, Reply, Route, parse_request
from cognate.api.wire import AnswerModel, Identifier, RequestModel, Text
from cognate.errors import CognateError, InvalidInput
from cognate.models import requested_model
from cognate.texts.idempotency import IdempotencyKey
from cognate.texts.post import Enqueued, TextToEmbed, enqueue
from cognate.validation import refuse_field

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BATCH_ITEMS: Final = 100
"""Texts of one request: as many as the messages of one queue batch."""

IDEMPOTENCY_KEY: Final = "idempotency-key"
IDEMPOTENCY_REPLAYED: Final = "idempotency-replayed"

KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""A valid key: 1 to 255 visible ASCII characters."""


class PostEmbedding(RequestModel):
    """A text to embed: for a record, or without a table under the id of its job."""

    content: Text
    model: Identifier | None = None
    table: Identifier | None = None
    id: Identifier | None = None

    @model_validator(mode="after")
    def _id_comes_with_table(self) -> Self:
        if self.table is not None and self.id is None:
            refuse_field("/id", "is required with a table: the record whose embedding this is")
        if self.table is None and self.id is not None:
            refuse_field("/id", "needs the table of the record; name it, or leave out the id")
        return self


class QueuedEmbedding(AnswerModel):
    """The job of a text. `table` and `id` are null if the text belongs to no record."""

    queued: Literal[True] = True
    job_id: str
    table: str | None
    id: str | None
    model: str


class EmbeddedTable(AnswerModel):
    """A table whose records are embedded."""

    name: str
    embedding_column: str
    model: str


class EmbeddedTables(AnswerModel):
    """All tables with embeddings, in the order of the schema."""

    tables: list[EmbeddedTable]


class PostEmbeddings(RequestModel):
    """Texts to embed, each in the form of `POST /api/v1/embeddings`.

    Each text is accepted or refused alone.
    """

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH_ITEMS)]


class QueuedItem(QueuedEmbedding):
    """The job that was queued for one item."""

    index: int
    status: Literal[202] = 202


class RefusedItem(AnswerModel):
    """The reason why one item was refused. JSON pointers are relative to the item."""

    index: int
    status: int
    error: Problem


class ItemResults(AnswerModel):
    """One result for each item, in order."""

    results: list[QueuedItem | RefusedItem]


async def post_embedding(call: Call) -> Reply:
    """Queue one text."""
    body = call.body(PostEmbedding)
    [refusal] = await refusals_of_texts(call, [(body.table, body.id)])
    if refusal is not None:
        raise refusal
    enqueued = await enqueue(
        call.platform,
        call.app,
        call.organization_id,
        [_text_to_embed(body)],
        key=_key(call, body),
    )
    [result] = enqueued.results
    if isinstance(result, CognateError):
        raise result
    answer = QueuedEmbedding(job_id=result, table=body.table, id=body.id, model=_model(call, body))
    return Reply(answer, _headers(enqueued))


async def post_embeddings(call: Call) -> Reply:
    """Queue up to a hundred texts. A refused one does not affect the others."""
    body = call.body(PostEmbeddings)
    judged = await _judge(call, body.items)
    good = [item for item in judged if isinstance(item, PostEmbedding)]
    enqueued = await enqueue(
        call.platform,
        call.app,
        call.organization_id,
        [_text_to_embed(item) for item in good],
        key=_key(call, body),
    )
    results = iter(enqueued.results)
    answer = ItemResults(
        results=[
            _refused(call, index, item)
            if isinstance(item, CognateError)
            else _item(call, index, item, next(results))
            for index, item in enumerate(judged)
        ]
    )
    return Reply(answer, _headers(enqueued))


async def _judge(call: Call, items: Sequence[Any]) -> list[PostEmbedding | CognateError]:
    """Parse each item and check permissions, in at most one D1 call. Return items or errors."""
    judged = [_parsed(item) for item in items]
    bodies = [item for item in judged if isinstance(item, PostEmbedding)]
    refusals = iter(await refusals_of_texts(call, [(body.table, body.id) for body in bodies]))
    return [item if isinstance(item, CognateError) else next(refusals) or item for item in judged]


def _parsed(item: Any) -> PostEmbedding | CognateError:  # noqa: ANN401 - JSON of any kind
    try:
        return parse_request(PostEmbedding, item)
    except InvalidInput as error:
        return error


def _text_to_embed(body: PostEmbedding) -> TextToEmbed:
    return TextToEmbed(body.content, body.table, body.id, body.model)


def _item(
    call: Call, index: int, body: PostEmbedding, result: str | CognateError
) -> QueuedItem | RefusedItem:
    if isinstance(result, CognateError):
        return _refused(call, index, result)
    return QueuedItem(
        index=index, job_id=result, table=body.table, id=body.id, model=_model(call, body)
    )


def _model(call: Call, body: PostEmbedding) -> str:
    """Return the name of the model that embeds a text."""
    embeddings = None if body.table is None else call.app.table(body.table).embeddings
    return requested_model(body.model).name if embeddings is None else embeddings.model


def _refused(call: Call, index: int, error: CognateError) -> RefusedItem:
    problem = problem_of(error, path=call.request.path, request_id=call.request_id)
    return RefusedItem(index=index, status=problem.status, error=problem)


def _key(call: Call, body: RequestModel) -> IdempotencyKey | None:
    value = call.request.headers.get(IDEMPOTENCY_KEY)
    if value is None:
        return None
    if not KEY.fullmatch(value):
        raise InvalidIdempotencyKey
    return IdempotencyKey.of(value, type(body).__name__, body.model_dump())


def _headers(enqueued: Enqueued) -> dict[str, str]:
    return {IDEMPOTENCY_REPLAYED: "true"} if enqueued.replayed else {}


async def get_tables(call: Call) -> EmbeddedTables:
    """List the tables that have embeddings."""
    tables = [
        EmbeddedTable(
            name=table.name,
            embedding_column=table.embeddings.embedding_column,
            model=table.embeddings.model,
        )
        for table in call.app.tables.values()
        if table.embeddings is not None
    ]
    return EmbeddedTables(tables=tables)


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/v1/embeddings",
        name="embeddings.post",
        summary="Queue a text to be embedded, with or without a record.",
        handler=post_embedding,
        request=PostEmbedding,
        response=QueuedEmbedding,
        status=202,
    ),
    Route(
        method="POST",
        path="/api/v1/embeddings/batch",
        name="embeddings.batch",
        summary="Queue up to a hundred texts to be embedded, each accepted or refused alone.",
        handler=post_embeddings,
        request=PostEmbeddings,
        response=ItemResults,
        status=207,
    ),
    Route(
        method="GET",
        path="/api/v1/embeddings/tables",
        name="embeddings.tables",
        summary="List the tables whose records are embedded, with their models.",
        handler=get_tables,
        response=EmbeddedTables,
    ),
)
