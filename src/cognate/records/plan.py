"""Judge a change before anything is written.

A change is refused here for the caller's roles, for a field that no caller may set, for a broken
rule of the record, and for a record that does not exist or belongs to somebody else. Only a race
with another writer can still stop it afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from cognate.errors import (
    FieldError,
    FieldNotWritable,
    InvalidInput,
    PreconditionFailed,
    RecordExists,
)
from cognate.ids import new_id
from cognate.records.changes import Create, Delete, Update
from cognate.records.codec import changed_fields, etag_of, fields_of, validated_columns
from cognate.records.permissions import (
    no_such_record,
    owner_of,
    require_ownership,
)
from cognate.schema.collections import index_metadata
from cognate.text_limits import metadata_problem, text_problem
from cognate.validation import pointer_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cognate.ports import Parameter, Row
    from cognate.principal import OrganizationId, Principal
    from cognate.records.changes import Change, Precondition
    from cognate.schema import Table

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}")
"""Ids that callers may choose. They are safe in a path, a log and a URL."""

RESERVED_IDS: Final = frozenset({"batch"})
"""Paths of the API, which cannot be ids."""


@dataclass(frozen=True)
class Plan:
    """A change that may be written.

    Attributes:
        id: of the record.
        columns: the new values of all fields; None for a deletion.
        version: of the row that the change was judged by; None for a new record.
        row: that row.
        changed: the fields whose value changes.
    """

    id: str
    columns: Mapping[str, Parameter] | None
    version: str | None = None
    row: Row | None = None
    changed: frozenset[str] = frozenset()

    @property
    def writes(self) -> bool:
        """False for an update that changes nothing."""
        return self.columns is None or self.version is None or bool(self.changed)


def plan_change(
    table: Table,
    principal: Principal,
    change: Change,
    rows: Mapping[str, Row],
    now: datetime,
) -> Plan:
    """Judge one change.

    Args:
        table: of the record.
        principal: the caller.
        change: what they ask for.
        rows: the organization's rows of the named records by id, soft-deleted ones too.
        now: the time, for a new id.

    Raises:
        AccessDenied: the roles do not allow it, or only the record's owner may do it.
        FieldNotWritable: it sets a field that no caller may set.
        InvalidInput: the record breaks a rule, or the id is not allowed.
        NotFound: there is no such record for this caller.
        RecordExists: the id of a new record is taken.
        PreconditionFailed: the record is not in the state that the caller has seen.
    """
    match change:
        case Create():
            return _create(table, principal, change, rows, now)
        case Update():
            return _update(table, principal, change, rows)
        case Delete():
            return _delete(table, principal, change, rows)


def _create(
    table: Table, principal: Principal, change: Create, rows: Mapping[str, Row], now: datetime
) -> Plan:
    table.access.require("create", principal, table.name)
    _require_settable(table, "create", change.record)
    record_id = new_id(table.id_prefix, now) if change.id is None else change.id
    if not ID.fullmatch(record_id) or record_id in RESERVED_IDS:
        message = (
            "must be 1 to 128 letters, digits and . _ ~ : -, starting with a letter or digit, "
            f"and none of {', '.join(sorted(RESERVED_IDS))}"
        )
        raise InvalidInput(FieldError("/id", message))
    record = dict(change.record)
    if table.owner is not None:
        record[table.json_names[table.owner.field]] = principal.user_id
    columns = _columns(table, principal.organization_id, record)
    if record_id in rows:
        message = f"There is a record {record_id!r} in the table {table.name!r} already."
        raise RecordExists(message)
    return Plan(record_id, columns)


def _update(table: Table, principal: Principal, change: Update, rows: Mapping[str, Row]) -> Plan:
    table.access.require("update", principal, table.name)
    _require_settable(table, "update", change.changes)
    row = _row(table, principal, change.id, "update", rows)
    _require_state(row, change.condition)
    # A field that may not be null, but has no value in an older row, gets the record's default.
    stored = {
        name: value
        for name, value in fields_of(table, row).items()
        if value is not None or name in table.nullable
    }
    columns = _columns(table, principal.organization_id, {**stored, **change.changes})
    return Plan(change.id, columns, row["version"], row, changed_fields(table, row, columns))


def _delete(table: Table, principal: Principal, change: Delete, rows: Mapping[str, Row]) -> Plan:
    table.access.require("delete", principal, table.name)
    row = _row(table, principal, change.id, "delete", rows)
    _require_state(row, change.condition)
    return Plan(change.id, None, row["version"], row)


def _row(
    table: Table,
    principal: Principal,
    record_id: str,
    operation: Literal["update", "delete"],
    rows: Mapping[str, Row],
) -> Row:
    row = rows.get(record_id)
    if row is None or row["deleted"]:
        raise no_such_record(table)
    require_ownership(principal, table, operation, owner_of(table, row))
    return row


def _require_settable(
    table: Table, operation: Literal["create", "update"], record: Mapping[str, Any]
) -> None:
    forbidden = [
        FieldError(pointer_to(name), f"cannot be set by a caller when a record is {operation}d")
        for field, name in table.json_names.items()
        if name in record and field in table.guarded[operation]
    ]
    if forbidden:
        raise FieldNotWritable(*forbidden)


def _require_state(row: Row, condition: Precondition | None) -> None:
    if condition is not None and not condition.allows_writing(etag_of(row["version"])):
        raise PreconditionFailed(
            "The record has changed since it was read; read it again, then send If-Match with "
            "its new ETag."
        )


def _columns(
    table: Table, organization_id: OrganizationId, record: Mapping[str, Any]
) -> dict[str, Parameter]:
    """Validate a whole record, its embedded text and its metadata; return its columns."""
    columns = validated_columns(table, record)
    collection = table.collection
    if collection is None:
        return columns
    metadata = index_metadata(collection, organization_id, collection.metadata_of(columns))
    for fields, problem in (
        (collection.fields, text_problem(collection.text_of(columns), collection.model)),
        (tuple(collection.metadata), metadata_problem(metadata)),
    ):
        if problem is not None:
            names = [table.json_names[field] for field in fields]
            message = problem if len(names) == 1 else f"with {' and '.join(names[1:])} {problem}"
            raise InvalidInput(FieldError(pointer_to(names[0]), message))
    return columns
