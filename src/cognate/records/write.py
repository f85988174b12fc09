"""Write records, with their jobs, in one D1 batch; a single write is a batch of one.

Durable first: a record and the job that embeds it are in one transaction, and the message follows.
Nothing that lost a race is written: a change is made only to the very state that it was judged by,
whoever else writes, and judged again where somebody was faster.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cognate.collections import collection_of
from cognate.errors import (
    CognateError,
    FieldError,
    InvalidInput,
    NotAttempted,
    PlatformError,
    PreconditionFailed,
    RecordExists,
    WriteContended,
)
from cognate.ports import Row, Statement
from cognate.queueing import Wanted, announce, queue_statements, release_statement
from cognate.records.codec import json_of
from cognate.records.operations import Create, Delete, Deleted, Operation
from cognate.records.plan import Plan, plan
from cognate.records.rows import selected, version
from cognate.records.version import StoredRecord, etag_of
from cognate.sql import json_groups
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.definitions import Table
    from cognate.ports import Platform
    from cognate.principal import Principal
    from cognate.records.operations import Outcome

MAX_OPERATIONS: Final = 100
"""Operations of one request."""

MAX_TRIES: Final = 5
"""How often a change is judged again because somebody else was faster."""


async def write_records(
    platform: Platform,
    principal: Principal,
    table: Table,
    operations: Sequence[Operation],
    *,
    fail_fast: bool = False,
) -> list[Outcome]:
    """Do the operations, each for itself, in one D1 read and one D1 write.

    Args:
        platform: the ports.
        principal: who asks; everything happens in their organization.
        table: of the records.
        operations: 1 to 100; each record is named by one of them at most.
        fail_fast: leave out all that follows the first one that is refused. What is only found
            while writing, because somebody else was faster, stops nothing.

    Returns:
        For each, in order: the record as it is now, `Deleted`, or why nothing was done.

    Raises:
        DatabaseError: nothing was written.
    """
    outcomes: list[Outcome | None] = list(_twice(operations))
    for _ in range(MAX_TRIES):
        pending = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if not pending:
            break
        now = platform.clock.now()
        rows = await _read(platform, principal, table, [operations[place] for place in pending])
        plans: dict[int, Plan] = {}
        for place in pending:
            try:
                plans[place] = plan(table, principal, operations[place], rows, now)
            except PlatformError:
                raise
            except CognateError as error:
                outcomes[place] = error
        if fail_fast:
            _stop_at_first(outcomes, plans)
        written = await _write(platform, principal, table, list(plans.values()), now)
        for place, planned in plans.items():
            outcomes[place] = _outcome(table, operations[place], planned, written)
    return [
        WriteContended("The record kept being changed by others; try again.")
        if outcome is None
        else outcome
        for outcome in outcomes
    ]


def _twice(operations: Sequence[Operation]) -> list[Outcome | None]:
    """A refusal for each operation on a record that an earlier one names."""
    seen: set[str] = set()
    found: list[Outcome | None] = []
    for operation in operations:
        if operation.id is not None and operation.id in seen:
            message = "is named by an earlier operation of this batch; send it in another one"
            found.append(InvalidInput(FieldError("/id", message)))
            continue
        seen.update([operation.id] if operation.id is not None else [])
        found.append(None)
    return found


def _stop_at_first(outcomes: list[Outcome | None], plans: dict[int, Plan]) -> None:
    refused = [
        place
        for place, outcome in enumerate(outcomes)
        if isinstance(outcome, CognateError) and not isinstance(outcome, NotAttempted)
    ]
    for place in range(min(refused, default=len(outcomes)) + 1, len(outcomes)):
        plans.pop(place, None)
        outcomes[place] = NotAttempted("An earlier operation was refused, and failFast was set.")


async def _read(
    platform: Platform, principal: Principal, table: Table, operations: Sequence[Operation]
) -> dict[str, Row]:
    """The organization's rows of all records that are named, in one call; none for no names."""
    ids = [operation.id for operation in operations if operation.id is not None]
    if not ids:
        return {}
    deleted = "r.deleted_at IS NOT NULL" if table.soft_delete else "0"
    sql = (
        f'SELECT {selected(table)}, {deleted} AS deleted FROM "{table.name}" r '  # noqa: S608 - names of the schema
        "WHERE r.organization_id = ?1 AND r.id IN (SELECT value FROM json_each(?2))"
    )
    parameters = (principal.organization_id, json.dumps(ids))
    [rows] = await platform.database.batch([Statement(sql, parameters)])
    return {row["id"]: row for row in rows}


async def _write(
    platform: Platform, principal: Principal, table: Table, plans: Sequence[Plan], now: datetime
) -> dict[str, Row]:
    """Write what there is to write, in one call; the rows that were written, by id."""
    writing = [item for item in plans if item.writes]
    if not writing:
        return {}
    organization_id, moment = principal.organization_id, to_iso(now)
    statements = [
        *_inserts(table, organization_id, [p for p in writing if p.version is None], moment),
        *_updates(table, organization_id, [p for p in writing if p.row and p.columns], moment),
        *_deletes(table, organization_id, [p for p in writing if p.columns is None], moment),
    ]
    first_job = len(statements)
    statements += _jobs(table, organization_id, writing, now)
    answers = await platform.database.batch(statements)
    if len(statements) > first_job:
        await announce(platform, answers[-1])
    return {row["id"]: row for rows in answers[:first_job] for row in rows}


def _values(table: Table) -> list[str]:
    return [f"json_each.value ->> 'field_{field}'" for field in table.fields]


def _payload(item: Plan) -> dict[str, Any]:
    columns = item.columns or {}
    fields = {f"field_{field}": value for field, value in columns.items()}
    return {"record": item.id, "version": item.version, **fields}


def _inserts(
    table: Table, organization_id: str, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    columns = "".join(f', "{field}"' for field in table.fields)
    values = "".join(f", {value}" for value in _values(table))
    return [
        Statement(
            f'INSERT INTO "{table.name}" (organization_id, id, created_at, updated_at{columns}) '  # noqa: S608 - names of the schema
            f"SELECT ?1, json_each.value ->> 'record', ?3, ?3{values} FROM json_each(?2) "
            "WHERE TRUE ON CONFLICT (organization_id, id) DO NOTHING RETURNING "
            f"{selected(table, _quoted(table))}",
            (organization_id, payload, moment),
        )
        for payload in json_groups([_payload(item) for item in plans])
    ]


def _updates(
    table: Table, organization_id: str, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    changes = "".join(
        f', "{field}" = {value}' for field, value in zip(table.fields, _values(table), strict=True)
    )
    return [
        Statement(
            f'UPDATE "{table.name}" SET updated_at = ?3{changes} FROM json_each(?2) '  # noqa: S608 - names of the schema
            f"WHERE {_same(table)} RETURNING {selected(table, _quoted(table))}",
            (organization_id, payload, moment),
        )
        for payload in json_groups([_payload(item) for item in plans])
    ]


def _deletes(
    table: Table, organization_id: str, plans: Sequence[Plan], moment: str
) -> list[Statement]:
    found = []
    for payload in json_groups([_payload(item) for item in plans]):
        if table.soft_delete:
            sql = (
                f'UPDATE "{table.name}" SET deleted_at = ?3, updated_at = ?3 FROM json_each(?2) '  # noqa: S608 - names of the schema
                f'WHERE {_same(table)} RETURNING "{table.name}".id'
            )
            found.append(Statement(sql, (organization_id, payload, moment)))
        else:
            sql = (
                f'DELETE FROM "{table.name}" WHERE organization_id = ?1 AND id IN ('  # noqa: S608 - names of the schema
                f'SELECT d.id FROM json_each(?2) JOIN "{table.name}" d ON {_same(table, "d")}) '
                "RETURNING id"
            )
            found.append(Statement(sql, (organization_id, payload)))
    return found


def _quoted(table: Table) -> str:
    return f'"{table.name}"'


def _same(table: Table, row: str | None = None) -> str:
    """An SQL condition: the row is the organization's, and in the state that was judged."""
    row = row or _quoted(table)
    deleted = f" AND {row}.deleted_at IS NULL" if table.soft_delete else ""
    return (
        f"{row}.organization_id = ?1 AND {row}.id = json_each.value ->> 'record' "
        f"AND {version(table, row)} = json_each.value ->> 'version'{deleted}"
    )


def _jobs(
    table: Table, organization_id: str, plans: Sequence[Plan], now: datetime
) -> list[Statement]:
    """Queue what must be embedded, indexed or removed; nothing for what was not written."""
    collection, embeddings = collection_of(table), table.embeddings
    if collection is None or embeddings is None:
        return []
    wanted: list[Wanted] = []
    removed: list[Wanted] = []
    sources: set[str] = set()
    for item in plans:
        if item.columns is None:
            removed.append(Wanted(item.id))
        elif item.version is None and embeddings.on_insert:
            wanted.append(Wanted(item.id))
            sources.add("insert")
        elif item.version is not None and item.changed & embeddings.watched:
            wanted.append(Wanted(item.id))
            sources.add("update")
        elif item.version is not None and item.changed & frozenset(embeddings.metadata):
            wanted.append(Wanted(item.id, embeds=False))
            sources.add("update")
    statements: list[Statement] = []
    moment = to_iso(now)
    if wanted:
        # The very write that was made: where it lost a race, the row has another time.
        statements += queue_statements(
            collection,
            organization_id,
            wanted,
            source=sources.pop() if len(sources) == 1 else "batch",
            now=now,
            condition=(
                f'EXISTS (SELECT 1 FROM "{table.name}" r WHERE r.organization_id = ?1 '  # noqa: S608 - names of the schema
                "AND r.id = json_each.value ->> 'record' "
                "AND r.updated_at = json_each.value ->> 'token')"
            ),
            token=moment,
        )
    if removed:
        statements += queue_statements(
            collection,
            organization_id,
            removed,
            source="delete",
            now=now,
            condition=(
                "EXISTS (SELECT 1 FROM cognate_embeddings g WHERE g.organization_id = ?1 "  # noqa: S608 - names of the schema
                "AND g.scope = ?2 AND g.record_id = json_each.value ->> 'record') "
                f"AND NOT {collection.live_record}"
            ),
        )
    return [*statements, release_statement(organization_id, now)] if statements else []


def _outcome(
    table: Table, operation: Operation, planned: Plan, written: Mapping[str, Row]
) -> Outcome | None:
    """What became of an operation; None where somebody else was faster and it is judged again."""
    row = written.get(planned.id) if planned.writes else planned.row
    if row is not None:
        if isinstance(operation, Delete):
            return Deleted(planned.id)
        return StoredRecord(json_of(table, row), etag_of(row["version"]))
    if isinstance(operation, Create):
        if operation.id is None:
            return None  # an id of ours that was taken: once in a universe, and then another one
        return RecordExists(
            f"There is a record {planned.id!r} in the table {table.name!r} already."
        )
    if operation.condition is not None:
        return PreconditionFailed("The record was changed by somebody else at the same time.")
    return None
