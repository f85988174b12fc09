"""Have texts and records embedded: write the jobs down, then announce them.

Durable first: the jobs are in D1 before their messages are sent, so a send that fails loses
nothing; the sweeper sends them again. A hundred items cost one D1 call, as one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.errors import CognateError, FieldError, InvalidInput, ModelMismatch, NotFound
from cognate.ids import new_id
from cognate.jobs.conditions import Provided, RecordIs, TokenOf
from cognate.jobs.messages import JOB_PREFIX
from cognate.jobs.queue import announce
from cognate.models import requested_model
from cognate.schema.collections import POSTED_TEXTS, Collection
from cognate.text_limits import text_problem
from cognate.texts.idempotency import (
    first_jobs,
    keep_statement,
    read_statements,
    take_statements,
)
from cognate.texts.posted import store_statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.ports import Platform, Statement
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
    requests = EmbeddingRequests(organization_id, now)
    kept: list[Statement] = []
    for group in groups:
        collection = group[0].collection
        record = RecordIs.ANY if group[0].is_text else RecordIs.LIVE
        provided = Provided(record, TokenOf.NOBODY if key is None else TokenOf.KEY)
        if group[0].is_text:
            texts = {place.record_id: place.content for place in group}
            statements.append(
                store_statement(
                    organization_id, collection, texts, provided=provided, token=token, now=now
                )
            )
        latest = {place.record_id: place for place in group}
        requests.add(
            collection,
            [
                EmbeddingRequest(place.record_id, None if place.is_text else place.content)
                for place in latest.values()
            ],
            source="api",
            provided=provided,
            job_ids=[place.job_id for place in latest.values()],
            token=token,
        )
        if key is not None:
            records = {place.number: place.record_id for place in group}
            kept.append(
                keep_statement(organization_id, collection, records, token, Provided(record))
            )
    if key is not None:
        kept += read_statements(organization_id, key, token)
    answers = await platform.database.batch([*statements, *requests.statements, *kept])
    mine = answers[len(statements) :]
    await announce(platform, requests.announced(mine))
    if key is not None:
        first = first_jobs(answers[-1], key, token)
        if first is not None:
            return first, True
    found: dict[int, str] = {}
    for group, ids in zip(groups, requests.queued(mine), strict=True):
        found |= {place.number: ids[place.record_id] for place in group if place.record_id in ids}
    return found, False
