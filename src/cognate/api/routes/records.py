"""Routes of the records of the schema's tables. Writing a record embeds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field

from cognate.api.problems import Problem, problem_of
from cognate.api.routing import Call, Reply, Route, parse_request
from cognate.api.wire import AnswerModel, Identifier, JsonObject, PageAnswer, RequestModel
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
    from collections.abc import Mapping

    from cognate.pagination import Page
    from cognate.records import Change, Outcome
    from cognate.schema import Table

PATH: Final = "/api/v1/{table}"


class RecordBody(RequestModel):
    """The fields of a record, by JSON name. The schema of the table decides which it may have."""

    model_config = ConfigDict(extra="allow")

    @property
    def fields(self) -> dict[str, Any]:
        """All fields, unchanged."""
        return self.model_extra or {}


class CreateOperation(RequestModel):
    """A record to create. Without an `id` the server makes one."""

    operation: Literal["create"]
    record: JsonObject
    id: Identifier | None = None


class UpdateOperation(RequestModel):
    """A record to change. `ifMatch` is the ETag that the caller has seen."""

    operation: Literal["update"]
    id: Identifier
    record: JsonObject
    if_match: str | None = None


class DeleteOperation(RequestModel):
    """A record to delete. `ifMatch` is the ETag that the caller has seen."""

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
    """Up to a hundred operations. With `failFast`, those after the first refused one are not run.

    Each operation is accepted or refused alone, also if it cannot be parsed.
    """

    operations: Annotated[list[Any], Field(min_length=1, max_length=MAX_CHANGES)]
    fail_fast: bool = False


class RecordAnswer(AnswerModel):
    """A record: `id`, its fields, `createdAt` and `updatedAt`, without its vectors."""

    model_config = ConfigDict(extra="allow")


class RecordList(PageAnswer[JsonObject]):
    """A page of records."""


class DeletedAnswer(AnswerModel):
    """The record was deleted."""

    success: Literal[True] = True


class OperationResult(AnswerModel):
    """The result of one operation of a batch: a record, `success`, or an error."""

    index: int
    status: int
    record: Annotated[JsonObject | None, Field(exclude_if=lambda value: value is None)] = None
    success: Annotated[bool | None, Field(exclude_if=lambda value: value is None)] = None
    error: Annotated[Problem | None, Field(exclude_if=lambda value: value is None)] = None


class BatchAnswer(AnswerModel):
    """One result for each operation, in order."""

    results: list[OperationResult]


async def get_list(call: Call) -> Page[Mapping[str, Any]]:
    """List the records of the caller's organization."""
    table = _table(call)
    return await list_records(
        call.platform, call.principal, table, parse_list_query(table, call.request.query)
    )


async def post_record(call: Call) -> Reply:
    """Create a record."""
    fields = dict(call.body(RecordBody).fields)
    record_id = fields.pop("id", None)
    if record_id is not None and not isinstance(record_id, str):
        raise InvalidInput(FieldError("/id", "must be a string"))
    record = await _write(call, Create(fields, record_id))
    location = f"/api/v1/{call.parameters['table']}/{quote(record.json['id'], safe='')}"
    return Reply(record.json, {"etag": record.etag, "location": location})


async def get_one(call: Call) -> Reply:
    """Show a record."""
    record = await get_record(call.platform, call.principal, _table(call), call.parameters["id"])
    seen = call.request.headers.get("if-none-match")
    if seen is not None and Precondition.parse(seen).has_seen(record.etag):
        return Reply(None, {"etag": record.etag}, 304)
    return Reply(record.json, {"etag": record.etag})


async def patch_record(call: Call) -> Reply:
    """Change fields of a record."""
    changes = call.body(RecordBody).fields
    record = await _write(call, Update(call.parameters["id"], changes, _condition(call)))
    return Reply(record.json, {"etag": record.etag})


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
    items = [_parsed(item) for item in body.operations]
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


def _parsed(item: Any) -> BatchOperation | InvalidInput:  # noqa: ANN401 - JSON of any kind
    """Parse an operation. JSON pointers of an error are relative to the operation."""
    if not isinstance(item, dict):
        return InvalidInput(FieldError("", "must be an object"))
    kind = item.get("operation")
    model = OPERATIONS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return InvalidInput(FieldError("/operation", f"must be one of {', '.join(OPERATIONS)}"))
    try:
        return parse_request(model, item)
    except InvalidInput as error:
        return error


def _operation(item: BatchOperation) -> Change:
    if isinstance(item, CreateOperation):
        return Create(item.record, item.id)
    condition = None if item.if_match is None else Precondition.parse(item.if_match)
    if isinstance(item, UpdateOperation):
        return Update(item.id, item.record, condition)
    return Delete(item.id, condition)


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
    """Return the error with pointers into the operation: to its id, or into its record."""
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
        response=RecordList,
    ),
    Route(
        method="POST",
        path=PATH,
        name="records.create",
        summary="Create a record, which is then embedded.",
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
        summary="Change fields of a record, which is then embedded again.",
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
