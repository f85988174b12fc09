"""Write records, with their jobs, in one D1 batch; a single write is a batch of one.

Durable first: a record and the job that embeds it are in one transaction, and the message follows.
Nothing that lost a race is written: a change is made only to the very state that it was judged by,
whoever else writes, and judged again where somebody was faster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cognate.errors import (
    CognateError,
    Conflict,
    ConstraintViolated,
    DatabaseError,
    FieldError,
    InvalidInput,
    NotAttempted,
    WriteContended,
)
from cognate.jobs.queue import announce
from cognate.ports import Row, Statement
from cognate.records.codec import json_of
from cognate.records.embedding_jobs import job_statements
from cognate.records.operations import Delete, Deleted, Operation
from cognate.records.plan import Plan, plan
from cognate.records.rows import selected, size
from cognate.records.statements import write_statements
from cognate.records.version import StoredRecord, etag_of
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.ports import Platform
    from cognate.principal import OrganizationId, Principal
    from cognate.records.operations import Outcome
    from cognate.schema import Table

MAX_OPERATIONS: Final = 100
"""Operations of one request."""

PARTS: Final = 10
"""Into so many parts a call is divided that a constraint has undone."""

MAX_READ_BYTES: Final = 4_000_000
"""Of the records that are changed at once; the last one may go beyond. Each is read twice, as its
fields and as its version, and written back: so much fits into an isolate beside other requests."""

MAX_TRIES: Final = 5
"""How often a change is judged again because somebody else was faster."""


async def write_records(
    platform: Platform,
    principal: Principal,
    table: Table,
    operations: Sequence[Operation | InvalidInput],
    *,
    fail_fast: bool = False,
) -> list[Outcome]:
    """Do the operations, each for itself, in one D1 read and one D1 write.

    Records of more than `MAX_READ_BYTES` are done in several parts. Where a foreign key or a
    trigger refuses one of them there are more writes; see `_Writer`.

    Args:
        platform: the ports.
        principal: who asks; everything happens in their organization.
        table: of the records.
        operations: 1 to 100; each record is named by one of them at most. One that could not be
            understood is its own refusal.
        fail_fast: leave out all that follows the first one that is refused. What is only found
            while writing, because somebody else was faster or the database refuses a record,
            stops nothing.

    Returns:
        For each, in order: the record as it is now, `Deleted`, or why nothing was done.

    Raises:
        DatabaseError: nothing was written.
    """
    outcomes = _refused_before(operations)
    refused = {place for place, outcome in enumerate(outcomes) if outcome is not None}
    tries = [0] * len(operations)
    lost: dict[int, str | None] = {}
    while True:
        if fail_fast:
            _stop_behind(min(refused, default=len(outcomes)), outcomes)
        todo = {
            place: operation
            for place, operation in enumerate(operations)
            if outcomes[place] is None
            and not isinstance(operation, InvalidInput)
            and tries[place] < MAX_TRIES
        }
        if not todo:
            break
        now = platform.clock.now()
        try:
            rows, pending = await _read(platform, principal, table, todo)
            plans: dict[int, Plan] = {}
            for place, operation in pending.items():
                try:
                    plans[place] = plan(table, principal, operation, rows, now)
                except CognateError as error:
                    outcomes[place] = error
                    # What was refused in a race stops nothing.
                    refused |= set() if tries[place] else {place}
                tries[place] += 1
            if fail_fast:
                end = min(refused, default=len(outcomes))
                plans = {place: item for place, item in plans.items() if place < end}
            writer = _Writer(platform, principal.organization_id, table, now)
            await writer.write([item for item in plans.values() if item.writes])
        except DatabaseError as error:
            if not lost:
                raise
            # The others are written, and their callers must hear so.
            outcomes = [error if outcome is None else outcome for outcome in outcomes]
            break
        for place, planned in plans.items():
            again = place in lost and lost[place] == planned.version
            outcomes[place] = writer.errors.get(planned.id) or _outcome(
                table, pending[place], planned, writer.rows, again=again
            )
            lost[place] = planned.version
    contended = WriteContended("The record kept being changed by others; try again.")
    return [contended if outcome is None else outcome for outcome in outcomes]


def _refused_before(operations: Sequence[Operation | InvalidInput]) -> list[Outcome | None]:
    """A refusal for each operation that is one, or on a record that an earlier one names."""
    seen: set[str] = set()
    found: list[Outcome | None] = []
    for operation in operations:
        if isinstance(operation, InvalidInput):
            found.append(operation)
            continue
        if operation.id is not None and operation.id in seen:
            message = "is named by an earlier operation of this batch; send it in another one"
            found.append(InvalidInput(FieldError("/id", message)))
            continue
        seen.update([operation.id] if operation.id is not None else [])
        found.append(None)
    return found


def _stop_behind(first: int, outcomes: list[Outcome | None]) -> None:
    """Leave out what follows the first operation that was refused."""
    for place in range(first + 1, len(outcomes)):
        outcomes[place] = NotAttempted("An earlier operation was refused, and failFast was set.")


async def _read(
    platform: Platform, principal: Principal, table: Table, todo: Mapping[int, Operation]
) -> tuple[dict[str, Row], dict[int, Operation]]:
    """The rows of the records that operations name, as many as there is room for, in one call.

    Returns:
        The organization's rows by id, and the operations that can be judged by them: all, or those
        before the first one whose record there was no room for.
    """
    ids = [operation.id for operation in todo.values() if operation.id is not None]
    if not ids:
        return {}, dict(todo)
    deleted = "r.deleted_at IS NOT NULL" if table.soft_delete else "0"
    sql = (
        f"SELECT p.id AS named, {selected(table)}, {deleted} AS deleted FROM ("  # noqa: S608 - names of the schema
        f"SELECT r.id, SUM({size(table)}) OVER (ORDER BY j.key "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before "
        f'FROM json_each(?2) j CROSS JOIN "{table.name}" r '
        "ON r.organization_id = ?1 AND r.id = j.value) p "
        f'LEFT JOIN "{table.name}" r ON r.organization_id = ?1 AND r.id = p.id '
        f"AND COALESCE(p.bytes_before, 0) < {MAX_READ_BYTES}"
    )
    parameters = (principal.organization_id, json.dumps(ids))
    [rows] = await platform.database.batch([Statement(sql, parameters)])
    left_out = {row["named"] for row in rows if row["id"] is None}
    end = min((place for place, item in todo.items() if item.id in left_out), default=None)
    return (
        {row["id"]: row for row in rows if row["id"] is not None},
        {place: item for place, item in todo.items() if end is None or place < end},
    )


@dataclass
class _Writer:
    """Writes changes, with their jobs, in one call; in several where a row breaks a constraint.

    A unique value, a check and a null are passed over by the statements themselves. A foreign key
    and a trigger that raises undo the whole call: then it is made again in tenths, and those that
    are undone too one by one. So a hundred changes cost at most 111 calls, and one bad one 21.

    Attributes:
        rows: by id, what was written.
        errors: by id, why a change was refused alone.
    """

    platform: Platform
    organization_id: OrganizationId
    table: Table
    now: datetime
    rows: dict[str, Row] = field(default_factory=dict)
    errors: dict[str, CognateError] = field(default_factory=dict)

    async def write(self, plans: Sequence[Plan]) -> None:
        """Write the changes.

        Raises:
            DatabaseError: nothing was written.
        """
        try:
            await self._together(plans)
        except ConstraintViolated:
            await self._in_parts(plans)

    async def _in_parts(self, plans: Sequence[Plan]) -> None:
        if len(plans) == 1:
            self.errors[plans[0].id] = _refused(self.table)
            return
        size = max(1, len(plans) // PARTS)
        for start in range(0, len(plans), size):
            part = plans[start : start + size]
            try:
                await self._together(part)
            except ConstraintViolated:
                await self._in_parts(part)
            except DatabaseError as error:
                # Parts before it may be written, and their callers must hear so.
                self.errors |= {item.id: error for item in part}

    async def _together(self, plans: Sequence[Plan]) -> None:
        """Write all of them or none."""
        if not plans:
            return
        writes = write_statements(self.table, self.organization_id, plans, to_iso(self.now))
        jobs = job_statements(self.table, self.organization_id, plans, self.now)
        answers = await self.platform.database.batch([*writes, *jobs])
        if jobs:
            await announce(self.platform, answers[-1])
        self.rows |= {row["id"]: row for rows in answers[: len(writes)] for row in rows}


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
        f"The database refuses this change of {table.name!r}: a constraint, such as a value that "
        "must be unique or a reference to another record, or a trigger does not allow it."
    )
