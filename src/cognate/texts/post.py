"""Have texts and records embedded: write the jobs down, then announce them.

Durable first: the jobs are in D1 before their messages are sent, so a send that fails loses
nothing; the sweeper sends them again. A hundred items cost one D1 call, as one does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.errors import CognateError, FieldError, InvalidInput, ModelMismatch, NotFound
from cognate.ids import new_id
from cognate.jobs.queue import JOB_PREFIX, Wanted, announce, queue_statements, release_statement
from cognate.models import requested_model
from cognate.ports import Statement
from cognate.schema.collections import POSTED_TEXTS, Collection
from cognate.text_limits import text_problem
from cognate.texts.idempotency import (
    TAKEN,
    first_jobs,
    keep_statement,
    read_statements,
    take_statements,
)
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.ports import Platform, Row
    from cognate.principal import OrganizationId
    from cognate.schema import Cognate
    from cognate.texts.idempotency import IdempotencyKey

REQUEST_PREFIX: Final = "request"


@dataclass(frozen=True)
class Posting:
    """One text to embed.

    Attributes:
        content: the text. For a record it is embedded in place of what the record says, until the
            record's text is next written.
        table: of the record; None for a text that belongs to no table.
        record_id: given with a table.
        model: None, or a name of the catalogue; of a record, the table's own.
    """

    content: str
    table: str | None = None
    record_id: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Enqueued:
    """What became of postings.

    Attributes:
        results: for each, in order, the id of its job or why there is none. A text without a table
            is found under its job's id. A record of which a job was still waiting has that one's
            id: it embeds the newest of its texts when its turn comes.
        replayed: whether this is the answer that an earlier request got.
    """

    results: list[str | CognateError]
    replayed: bool = False


async def enqueue(
    platform: Platform,
    app: Cognate,
    organization_id: OrganizationId,
    postings: Sequence[Posting],
    *,
    key: IdempotencyKey | None = None,
) -> Enqueued:
    """Have texts embedded, in one D1 call whatever their number.

    Each is judged for itself: `NotFound` for a record that this organization does not have or a
    table that embeds nothing, `InvalidInput` for a model that nobody has and for a text that cannot
    be embedded, `ModelMismatch` for a model that is not the table's.

    Args:
        platform: the ports.
        app: the definitions.
        organization_id: whose texts and records they are.
        postings: at most 100. Of several for one record the last one counts.
        key: under which the request is done once; it stays free where nothing was queued.

    Raises:
        IdempotencyKeyReused: another request was sent under the key.
        DatabaseError: nothing was accepted.
    """
    now = platform.clock.now()
    judged = [_judge(app, posting, place, now) for place, posting in enumerate(postings)]
    places = [item for item in judged if isinstance(item, _Place)]
    jobs: Mapping[int, str] = {}
    replayed = False
    if places:
        jobs, replayed = await _queue(platform, organization_id, places, key, now)
    return Enqueued([_result(item, jobs) for item in judged], replayed)


@dataclass(frozen=True)
class _Place:
    """A posting that may be queued, and where it stands among the others."""

    number: int
    collection: Collection
    record_id: str
    job_id: str
    content: str

    @property
    def is_text(self) -> bool:
        return self.collection.table_name is None


def _judge(app: Cognate, posting: Posting, number: int, now: datetime) -> _Place | CognateError:
    """All that can be said without the database."""
    job_id = new_id(JOB_PREFIX, now)
    try:
        if posting.table is None:
            collection, record_id = POSTED_TEXTS[requested_model(posting.model).name], job_id
        else:
            collection = _collection(app, posting.table, posting.model)
            record_id = posting.record_id or ""
    except CognateError as error:
        return error
    problem = text_problem(posting.content, collection.model)
    if problem is not None:
        return InvalidInput(FieldError("/content", problem))
    return _Place(number, collection, record_id, job_id, posting.content)


def _collection(app: Cognate, table: str, model_name: str | None) -> Collection:
    collection = app.collection(table)
    if model_name is not None and requested_model(model_name) is not collection.model:
        message = (
            f"The table {table!r} is embedded by {collection.model.name}; vectors of another "
            "model cannot be compared with its own. Leave out `model`."
        )
        raise ModelMismatch(message)
    return collection


def _result(item: _Place | CognateError, jobs: Mapping[int, str]) -> str | CognateError:
    if isinstance(item, CognateError):
        return item
    if item.number in jobs:
        return jobs[item.number]
    message = (
        f"There is no such record in the table {item.collection.scope!r} of your organization."
    )
    return NotFound("record", message)


async def _queue(
    platform: Platform,
    organization_id: OrganizationId,
    places: Sequence[_Place],
    key: IdempotencyKey | None,
    now: datetime,
) -> tuple[Mapping[int, str], bool]:
    """Queue what exists; place to job id, and whether an earlier request got these."""
    token = new_id(REQUEST_PREFIX, now)
    ordered = sorted(places, key=lambda place: place.collection.scope)
    groups = [list(group) for _, group in groupby(ordered, lambda place: place.collection.scope)]
    statements = [] if key is None else take_statements(organization_id, key, token, now)
    queued_at: list[int] = []
    for group in groups:
        statements += _group_statements(organization_id, group, token, now, keyed=key is not None)
        queued_at.append(len(statements) - (1 if key is None else 2))
    if key is not None:
        statements += read_statements(organization_id, key, token)
    statements.append(release_statement(organization_id, now))
    answers = await platform.database.batch(statements)
    await announce(platform, answers[-1])
    if key is not None:
        first = first_jobs(answers[-2], key, token)
        if first is not None:
            return first, True
    return _jobs(groups, [answers[position] for position in queued_at]), False


def _jobs(groups: Sequence[Sequence[_Place]], answers: Sequence[list[Row]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for group, rows in zip(groups, answers, strict=True):
        ids = {row["record_id"]: row["id"] for row in rows}
        found |= {place.number: ids[place.record_id] for place in group if place.record_id in ids}
    return found


def _group_statements(
    organization_id: OrganizationId,
    group: Sequence[_Place],
    token: str,
    now: datetime,
    *,
    keyed: bool,
) -> list[Statement]:
    """What queues the places of one collection.

    The last one, or where keyed the one before it, returns (id, record_id) of their jobs.
    """
    collection = group[0].collection
    is_text = group[0].is_text
    exists = "TRUE" if is_text else collection.live_record
    condition = f"{exists} AND {TAKEN}" if keyed else exists
    latest = {place.record_id: place for place in group}
    statements = []
    if is_text:
        texts = [
            {"record": place.record_id, "content": place.content, "token": token} for place in group
        ]
        statements.append(_texts(organization_id, texts, now, condition))
    statements += queue_statements(
        collection,
        organization_id,
        [Wanted(place.record_id, None if is_text else place.content) for place in latest.values()],
        source="api",
        now=now,
        condition=condition,
        job_ids=[place.job_id for place in latest.values()],
        token=token,
    )
    if keyed:
        items = json.dumps(
            [{"place": str(place.number), "record": place.record_id} for place in group]
        )
        statements.append(keep_statement(organization_id, collection.scope, items, token, exists))
    return statements


def _texts(
    organization_id: OrganizationId,
    texts: Sequence[Mapping[str, str]],
    now: datetime,
    condition: str,
) -> Statement:
    return Statement(
        "INSERT INTO cognate_texts (organization_id, id, content, created_at) "  # noqa: S608 - a condition of ours
        "SELECT ?1, value ->> 'record', value ->> 'content', ?3 FROM json_each(?2) "
        f"WHERE {condition}",
        (organization_id, json.dumps(texts, ensure_ascii=False), to_iso(now)),
    )
