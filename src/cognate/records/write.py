"""Create, update and delete records together with their embedding jobs.

A record and the job that embeds it are written in one D1 batch, so neither exists without the
other. The queue message is sent afterwards. A change is only made to the version of the row that it
was judged by. If another writer was faster, the change is judged again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
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
from cognate.jobs.conditions import JobCondition, RecordIs
from cognate.jobs.queue import announce
from cognate.records.changes import Change, Delete, Deleted
from cognate.records.codec import stored_record
from cognate.records.plan import Plan, plan_change
from cognate.records.table_sql import read_for_change, write_statements
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.ports import Platform, Row
    from cognate.principal import OrganizationId, Principal
    from cognate.records.changes import Outcome
    from cognate.schema import Embeddings, Table

MAX_CHANGES: Final = 100
"""Changes in one request."""

PARTS: Final = 10
"""A write that a constraint has undone is divided into this many parts."""

MAX_TRIES: Final = 5
"""How often a change is judged while other writers keep changing its record."""


async def write_records(
    platform: Platform,
    principal: Principal,
    table: Table,
    changes: Sequence[Change | InvalidInput],
    *,
    fail_fast: bool = False,
) -> list[Outcome]:
    """Make changes to records in one D1 read and one D1 write. Each change succeeds or fails alone.

    Records larger than `MAX_READ_BYTES` together are changed in several parts. A foreign key or a
    trigger that refuses a record costs more writes; see `_Writer`.

    Args:
        platform: the ports.
        principal: the caller. All records belong to their organization.
        table: of the records.
        changes: 1 to 100; each record may be named once. An item that could not be parsed is
            given as its error, which becomes its outcome.
        fail_fast: attempt nothing after the first change that is refused. A refusal that is only
            found while writing (another writer, a constraint) stops nothing.

    Returns:
        The outcome of each change, in order.

    Raises:
        DatabaseError: nothing was written.
    """
    outcomes = _refused_before(changes)
    refused = {place for place, outcome in enumerate(outcomes) if outcome is not None}
    tries = [0] * len(changes)
    lost: dict[int, str | None] = {}
    while True:
        if fail_fast:
            _skip_after(min(refused, default=len(outcomes)), outcomes)
        open_changes = {
            place: change
            for place, change in enumerate(changes)
            if outcomes[place] is None
            and not isinstance(change, InvalidInput)
            and tries[place] < MAX_TRIES
        }
        if not open_changes:
            break
        now = platform.clock.now()
        try:
            rows, readable = await _read(platform, principal, table, open_changes)
            plans: dict[int, Plan] = {}
            for place, change in readable.items():
                try:
                    plans[place] = plan_change(table, principal, change, rows, now)
                except CognateError as error:
                    outcomes[place] = error
                    # A change that was tried before has lost a race: it stops nothing.
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
            # Some changes are written already, and the caller must hear which.
            outcomes = [error if outcome is None else outcome for outcome in outcomes]
            break
        for place, planned in plans.items():
            again = place in lost and lost[place] == planned.version
            outcomes[place] = writer.errors.get(planned.id) or _outcome(
                table, readable[place], planned, writer.rows, again=again
            )
            lost[place] = planned.version
    contended = WriteContended("The record kept being changed by others; try again.")
    return [contended if outcome is None else outcome for outcome in outcomes]


def _refused_before(changes: Sequence[Change | InvalidInput]) -> list[Outcome | None]:
    """Refuse each change that was not understood, or that names a record a second time."""
    seen: set[str] = set()
    found: list[Outcome | None] = []
    for change in changes:
        if isinstance(change, InvalidInput):
            found.append(change)
            continue
        if change.id is not None and change.id in seen:
            message = "is named by an earlier operation of this batch; send it in another one"
            found.append(InvalidInput(FieldError("/id", message)))
            continue
        seen.update([change.id] if change.id is not None else [])
        found.append(None)
    return found


def _skip_after(first: int, outcomes: list[Outcome | None]) -> None:
    for place in range(first + 1, len(outcomes)):
        outcomes[place] = NotAttempted("An earlier operation was refused, and failFast was set.")


async def _read(
    platform: Platform, principal: Principal, table: Table, changes: Mapping[int, Change]
) -> tuple[dict[str, Row], dict[int, Change]]:
    """Read the rows that changes name, up to `MAX_READ_BYTES`.

    Returns:
        The rows by id, and the changes whose rows were read: all, or those before the first change
        whose row did not fit.
    """
    ids = [change.id for change in changes.values() if change.id is not None]
    if not ids:
        return {}, dict(changes)
    statement = read_for_change(table, principal.organization_id, ids)
    [rows] = await platform.database.batch([statement])
    left_out = {row["named"] for row in rows if row["id"] is None}
    end = min((place for place, item in changes.items() if item.id in left_out), default=None)
    return (
        {row["id"]: row for row in rows if row["id"] is not None},
        {place: item for place, item in changes.items() if end is None or place < end},
    )


@dataclass
class _Writer:
    """Write changes and their jobs in one D1 call, or in several if a row breaks a constraint.

    The statements skip a row that breaks a unique, check or not-null constraint. A foreign key or a
    trigger undoes the whole call. Then the changes are written again in tenths, and a tenth that is
    undone is written one change at a time. So a hundred changes cost at most 111 calls, and one bad
    change costs 21.

    Attributes:
        rows: what was written, by id.
        errors: why a single change was refused, by id.
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
                # Earlier parts may be written, and the caller must hear which.
                self.errors |= {item.id: error for item in part}

    async def _together(self, plans: Sequence[Plan]) -> None:
        """Write all of them or none."""
        if not plans:
            return
        writes = write_statements(self.table, self.organization_id, plans, to_iso(self.now))
        requests = _embedding_requests(self.table, self.organization_id, plans, self.now)
        answers = await self.platform.database.batch([*writes, *requests.statements])
        await announce(self.platform, requests.announced(answers[len(writes) :]))
        self.rows |= {row["id"]: row for rows in answers[: len(writes)] for row in rows}


def _outcome(
    table: Table,
    change: Change,
    planned: Plan,
    written: Mapping[str, Row],
    *,
    again: bool,
) -> Outcome | None:
    """The outcome of a change; None if another writer was faster and it must be judged again.

    `again` means that the change was tried before on the same version. Then nobody was faster: the
    database refuses the change.
    """
    row = written.get(planned.id) if planned.writes else planned.row
    if row is None:
        return _refused(table) if again else None
    if isinstance(change, Delete):
        return Deleted(planned.id)
    return stored_record(table, row)


def _refused(table: Table) -> Conflict:
    return Conflict(
        f"The database refuses this change of {table.name!r}: a constraint, such as a value that "
        "must be unique or a reference to another record, or a trigger does not allow it."
    )


def _embedding_requests(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], now: datetime
) -> EmbeddingRequests:
    """Request what the changes need: to embed records, to index them again, to remove vectors.

    D1 queues a job only for a record that this very batch has written or deleted.
    """
    requests = EmbeddingRequests(organization_id, now)
    collection, embeddings = table.collection, table.embeddings
    if collection is None or embeddings is None:
        return requests
    written: list[EmbeddingRequest] = []
    removed: list[EmbeddingRequest] = []
    sources: set[str] = set()
    for item in plans:
        if item.columns is None:
            removed.append(EmbeddingRequest(item.id, is_counted=True))
        elif (request := _request_to_embed(embeddings, item)) is not None:
            written.append(request)
            sources.add("insert" if item.version is None else "update")
    if written:
        requests.add(
            collection,
            written,
            source=sources.pop() if len(sources) == 1 else "batch",
            # If the change lost a race, the row has another time.
            condition=JobCondition(RecordIs.WRITTEN),
            token=to_iso(now),
        )
    if removed:
        requests.add(collection, removed, source="delete", condition=JobCondition(RecordIs.GONE))
    return requests


def _request_to_embed(embeddings: Embeddings, item: Plan) -> EmbeddingRequest | None:
    """The request for a record that is created or updated; None if its vectors stay right.

    The table's trigger raises the revision of a record whose embedded text or metadata changes.
    """
    if item.version is None:
        return EmbeddingRequest(item.id, is_counted=True) if embeddings.on_insert else None
    if item.changed & embeddings.watched:
        is_counted = not item.changed.isdisjoint(embeddings.fields)
        return EmbeddingRequest(item.id, is_counted=is_counted)
    if not item.changed.isdisjoint(embeddings.metadata):
        return EmbeddingRequest(item.id, embeds=False, keeps_posted=True, is_counted=True)
    return None
