"""Write records, with their jobs, in one D1 batch; a single write is a batch of one.

Durable first: a record and the job that embeds it are in one transaction, and the message follows.
Nothing that lost a race is written: a change is made only to the very state that it was judged by,
whoever else writes, and judged again where somebody was faster.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    CognateError,
    Conflict,
    DatabaseError,
    FieldError,
    InvalidInput,
    NotAttempted,
    WriteContended,
)
from cognate.ports import Row, Statement
from cognate.queueing import announce
from cognate.records.codec import json_of
from cognate.records.embedding_jobs import job_statements
from cognate.records.operations import Delete, Deleted, Operation
from cognate.records.plan import Plan, plan
from cognate.records.rows import selected
from cognate.records.statements import write_statements
from cognate.records.version import StoredRecord, etag_of
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
            while writing, because somebody else was faster or the database refuses a record,
            stops nothing.

    Returns:
        For each, in order: the record as it is now, `Deleted`, or why nothing was done.

    Raises:
        DatabaseError: nothing was written.
    """
    outcomes: list[Outcome | None] = list(_twice(operations))
    lost: dict[int, str | None] = {}
    for number in range(MAX_TRIES):
        pending = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if not pending:
            break
        now = platform.clock.now()
        try:
            rows = await _read(platform, principal, table, [operations[place] for place in pending])
            plans: dict[int, Plan] = {}
            for place in pending:
                try:
                    plans[place] = plan(table, principal, operations[place], rows, now)
                except CognateError as error:
                    outcomes[place] = error
            if fail_fast and number == 0:
                _stop_at_first(outcomes, plans)
            written = await _write(platform, principal, table, list(plans.values()), now)
        except DatabaseError as error:
            if number == 0:
                raise
            # The others are written, and their callers must hear so.
            outcomes = [error if outcome is None else outcome for outcome in outcomes]
            break
        for place, planned in plans.items():
            again = place in lost and lost[place] == planned.version
            outcomes[place] = _outcome(table, operations[place], planned, written, again=again)
            lost[place] = planned.version
    contended = WriteContended("The record kept being changed by others; try again.")
    return [contended if outcome is None else outcome for outcome in outcomes]


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
    organization_id = principal.organization_id
    writes = write_statements(table, organization_id, writing, to_iso(now))
    jobs = job_statements(table, organization_id, writing, now)
    answers = await platform.database.batch([*writes, *jobs])
    if jobs:
        await announce(platform, answers[-1])
    return {row["id"]: row for rows in answers[: len(writes)] for row in rows}


def _outcome(
    table: Table,
    operation: Operation,
    planned: Plan,
    written: Mapping[str, Row],
    *,
    again: bool,
) -> Outcome | None:
    """What became of an operation; None where it is judged again, for somebody was faster.

    `again` says that it was tried before, on the same state of the record: then nobody was
    faster, and it is the database that refuses.
    """
    row = written.get(planned.id) if planned.writes else planned.row
    if row is None:
        return _refused(table) if again else None
    if isinstance(operation, Delete):
        return Deleted(planned.id)
    return StoredRecord(json_of(table, row), etag_of(row["version"]))


def _refused(table: Table) -> Conflict:
    return Conflict(
        f"The database refuses this record beside those it has: a constraint of {table.name!r}, "
        "such as a value that must be unique, does not hold."
    )
