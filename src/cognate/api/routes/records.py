"""The records of the schema's tables: writing one embeds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field

from cognate.api.pages import Pagination, pagination_of
from cognate.api.problems import Problem, problem_of
from cognate.api.route import Call, Reply, Route
from cognate.api.wire import AnswerModel, Identifier, JsonObject, RequestModel, parse
from cognate.errors import CognateError, FieldError, InvalidInput
from cognate.records import (
    MAX_CHANGES,
    Create,
    Delete,
    Deleted,
    Precondition,
    StoredRecord,
    Update,
    get_record,
    list_records,
    parse_list_query,
    write_records,
)

if TYPE_CHECKING:
    from cognate.records import Change, Outcome
    from cognate.schema import Table

PATH: Final = "/api/v1/{table}"


class RecordBody(RequestModel):
    """The fields of a record, by JSON name; the schema says which there are."""

    model_config = ConfigDict(extra="allow")

    @property
    def fields(self) -> dict[str, Any]:
        """All of them, as they came."""
        return self.model_extra or {}


class CreateOperation(RequestModel):
    """A new record of a batch; without an `id` the server makes one."""

    operation: Literal["create"]
    record: JsonObject
    id: Identifier | None = None


class UpdateOperation(RequestModel):
    """Changes to a record, in a batch; `ifMatch` is the ETag that was seen."""

    operation: Literal["update"]
    id: Identifier
    record: JsonObject
    if_match: str | None = None


class DeleteOperation(RequestModel):
    """The end of a record, in a batch."""

    operation: Literal["delete"]
    id: Identifier
    if_match: str | None = None


BatchOperation = CreateOperation | UpdateOperation | DeleteOperation

OPERATIONS: Final[dict[str, type[BatchOperation]]] = {
    "create": CreateOperation,
    "update": UpdateOperation,
    "delete": DeleteOperation,
}
"""The model of each kind of operation."""


class BatchRequest(RequestModel):
    """Up to a hundred operations; with `failFast`, none behind the first that is refused.

    An operation is judged for itself, so one that cannot be understood refuses no other.
    """

    operations: Annotated[list[Any], Field(min_length=1, max_length=MAX_CHANGES)]
    fail_fast: bool = False


class RecordAnswer(AnswerModel):
    """A record: `id`, its fields, `createdAt` and `updatedAt`; never its vectors."""

    model_config = ConfigDict(extra="allow")

    def to_json(self) -> bytes:
        """The record as JSON in UTF-8, its fields as they are stored."""
        return json.dumps(self.model_extra, ensure_ascii=False, separators=(",", ":")).encode()


class RecordsAnswer(AnswerModel):
    """A page of records."""

    data: list[JsonObject]
    pagination: Pagination


class DeletedAnswer(AnswerModel):
    """The record is gone."""

    success: Literal[True] = True


class OperationResult(AnswerModel):
    """What became of one operation of a batch: a record, `success`, or an error."""

    index: int
    status: int
    record: Annotated[JsonObject | None, Field(exclude_if=lambda value: value is None)] = None
    success: Annotated[bool | None, Field(exclude_if=lambda value: value is None)] = None
    error: Annotated[Problem | None, Field(exclude_if=lambda value: value is None)] = None


class BatchAnswer(AnswerModel):
    """One result for each operation, in order."""

    results: list[OperationResult]


async def get_list(call: Call) -> RecordsAnswer:
    """List the records of the caller's organization."""
    table = _table(call)
    page = await list_records(
        call.platform, call.principal, table, parse_list_query(table, call.request.query)
    )
    return RecordsAnswer(
        data=[dict(record) for record in page.items], pagination=pagination_of(page)
    )


async def post_record(call: Call) -> Reply:
    """Create a record, and have it embedded."""
    fields = dict(call.body(RecordBody).fields)
    record_id = fields.pop("id", None)
    if record_id is not None and not isinstance(record_id, str):
        raise InvalidInput(FieldError("/id", "must be a string"))
    record = await _write(call, Create(fields, record_id))
    path = f"/api/v1/{_table(call).name}/{quote(record.json['id'], safe='')}"
    return Reply(_answer(record), {"etag": record.etag, "location": path})


async def get_one(call: Call) -> Reply:
    """Show a record."""
    record = await get_record(call.platform, call.principal, _table(call), call.parameters["id"])
    seen = call.request.headers.get("if-none-match")
    if seen is not None and Precondition.parse(seen).has_seen(record.etag):
        return Reply(None, {"etag": record.etag}, 304)
    return Reply(_answer(record), {"etag": record.etag})


async def patch_record(call: Call) -> Reply:
    """Change fields of a record; what changed is embedded again."""
    changes = call.body(RecordBody).fields
    record = await _write(call, Update(call.parameters["id"], changes, _condition(call)))
    return Reply(_answer(record), {"etag": record.etag})


async def delete_record(call: Call) -> DeletedAnswer:
    """Delete a record and its vectors."""
    operation = Delete(call.parameters["id"], _condition(call))
    [outcome] = await write_records(call.platform, call.principal, _table(call), [operation])
    if isinstance(outcome, CognateError):
        raise outcome
    return DeletedAnswer()


async def post_batch(call: Call) -> BatchAnswer:
    """Create, change and delete up to a hundred records."""
    body = call.body(BatchRequest)
    items = [_understood(item) for item in body.operations]
    outcomes = await write_records(
        call.platform,
        call.principal,
        _table(call),
        [item if isinstance(item, InvalidInput) else _operation(item) for item in items],
        fail_fast=body.fail_fast,
    )
    results = [
        _result(call, index, item, outcome)
        for index, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
    ]
    return BatchAnswer(results=results)


def _table(call: Call) -> Table:
    return call.app.table(call.parameters["table"])


async def _write(call: Call, operation: Create | Update) -> StoredRecord:
    [outcome] = await write_records(call.platform, call.principal, _table(call), [operation])
    if isinstance(outcome, CognateError):
        raise outcome
    assert isinstance(outcome, StoredRecord), "creates and updates answer a record"  # noqa: S101
    return outcome


def _condition(call: Call) -> Precondition | None:
    header = call.request.headers.get("if-match")
    return None if header is None else Precondition.parse(header)


def _understood(item: Any) -> BatchOperation | InvalidInput:  # noqa: ANN401 - JSON of any kind
    """The model of an operation, or what is wrong with it; pointers are into the operation."""
    if not isinstance(item, dict):
        return InvalidInput(FieldError("", "must be an object"))
    kind = item.get("operation")
    model = OPERATIONS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return InvalidInput(FieldError("/operation", f"must be one of {', '.join(OPERATIONS)}"))
    try:
        return parse(model, item)
    except InvalidInput as error:
        return error


def _operation(item: BatchOperation) -> Change:
    if isinstance(item, CreateOperation):
        return Create(item.record, item.id)
    condition = None if item.if_match is None else Precondition.parse(item.if_match)
    if isinstance(item, UpdateOperation):
        return Update(item.id, item.record, condition)
    return Delete(item.id, condition)


def _answer(record: StoredRecord) -> RecordAnswer:
    return RecordAnswer.model_validate(record.json)


def _result(
    call: Call,
    index: int,
    item: BatchOperation | InvalidInput,
    outcome: Outcome,
) -> OperationResult:
    if isinstance(outcome, InvalidInput) and outcome is not item:
        outcome = _within(outcome)
    if isinstance(outcome, CognateError):
        problem = problem_of(outcome, path=call.request.path, request_id=call.request_id)
        return OperationResult(index=index, status=problem.status, error=problem)
    if isinstance(outcome, Deleted):
        return OperationResult(index=index, status=200, success=True)
    status = 201 if isinstance(item, CreateOperation) else 200
    return OperationResult(index=index, status=status, record=dict(outcome.json))


def _within(error: InvalidInput) -> InvalidInput:
    """The same, with pointers into the operation: to its id, or into its record."""
    return type(error)(
        *(
            field
            if field.pointer == "/id"
            else FieldError(f"/record{field.pointer}", field.message)
            for field in error.fields
        )
    )


ROUTES: Final = (
    Route(
        method="GET",
        path=PATH,
        name="records.list",
        summary="List the records of a table, filtered and sorted.",
        handler=get_list,
        response=RecordsAnswer,
    ),
    Route(
        method="POST",
        path=PATH,
        name="records.create",
        summary="Create a record; it is embedded by itself.",
        handler=post_record,
        request=RecordBody,
        response=RecordAnswer,
        status=201,
    ),
    Route(
        method="POST",
        path=f"{PATH}/batch",
        name="records.batch",
        summary="Create, change and delete up to a hundred records.",
        handler=post_batch,
        request=BatchRequest,
        response=BatchAnswer,
        status=207,
    ),
    Route(
        method="GET",
        path=f"{PATH}/{{id}}",
        name="records.get",
        summary="Show a record.",
        handler=get_one,
        response=RecordAnswer,
    ),
    Route(
        method="PATCH",
        path=f"{PATH}/{{id}}",
        name="records.update",
        summary="Change fields of a record; what changed is embedded again.",
        handler=patch_record,
        request=RecordBody,
        response=RecordAnswer,
    ),
    Route(
        method="DELETE",
        path=f"{PATH}/{{id}}",
        name="records.delete",
        summary="Delete a record and its vectors.",
        handler=delete_record,
        response=DeletedAnswer,
    ),
)
