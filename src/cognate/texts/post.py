"""Queue embedding jobs for texts that the API receives.

The jobs are in D1 before their messages are sent, so a failed send loses nothing: the sweeper sends
the messages later. A request of a hundred texts makes as many D1 calls as a request of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.errors import CognateError, FieldError, InvalidInput, ModelMismatch, NotFound
from cognate.ids import new_id
from cognate.jobs.conditions import JobCondition, RecordIs, TokenOf
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
class TextToEmbed:
    """One text to embed.

    Attributes:
        content: the text. With a record, it is embedded instead of the record's own text, until
            that text is next written.
        table: the record's table; None for a text without a record.
        record_id: given with a table.
        model: a name of the catalogue, or None for the default. With a record, only the model of
            its table is accepted.
    """

    content: str
    table: str | None = None
    record_id: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Enqueued:
    """The result of `enqueue`.

    Attributes:
        results: for each text, in order, the id of its job, or the error if it has none. A text
            without a table is stored under its job's id. If a job of the record was already
            queued, its id is returned: that job embeds the newest text.
        replayed: whether this is the stored answer of an earlier request.
    """

    results: list[str | CognateError]
    replayed: bool = False


async def enqueue(
    platform: Platform,
    app: Cognate,
    organization_id: OrganizationId,
    texts: Sequence[TextToEmbed],
    *,
    key: IdempotencyKey | None = None,
) -> Enqueued:
    """Queue texts to be embedded, in one D1 call.

    Each text is accepted or refused on its own. The error of a refused one is `NotFound` if the
    organization has no such record or the table embeds nothing, `InvalidInput` if the model is
    unknown or the text cannot be embedded, and `ModelMismatch` if the model is not the table's.

    Args:
        platform: the ports.
        app: the definitions.
        organization_id: the owner of the texts and records.
        texts: at most 100. If several are for one record, the last one is embedded.
        key: the request's idempotency key. It is not taken if nothing was queued.

    Raises:
        IdempotencyKeyReused: the key was sent before, with a different request.
        DatabaseError: nothing was accepted.
    """
    now = platform.clock.now()
    checked = [_check(app, text, number, now) for number, text in enumerate(texts)]
    accepted = [item for item in checked if isinstance(item, _AcceptedText)]
    jobs: Mapping[int, str] = {}
    replayed = False
    if accepted:
        jobs, replayed = await _queue(platform, organization_id, accepted, key, now)
    return Enqueued([_result(item, jobs) for item in checked], replayed)


@dataclass(frozen=True)
class _AcceptedText:
    """A text that passed the checks, and its position in the request."""

    number: int
    collection: Collection
    record_id: str
    job_id: str
    content: str

    @property
    def is_text(self) -> bool:
        return self.collection.table_name is None


def _check(
    app: Cognate, text: TextToEmbed, number: int, now: datetime
) -> _AcceptedText | CognateError:
    """Check a text as far as that is possible without the database."""
    job_id = new_id(JOB_PREFIX, now)
    try:
        if text.table is None:
            collection, record_id = POSTED_TEXTS[requested_model(text.model).name], job_id
        else:
            collection = _collection(app, text.table, text.model)
            record_id = text.record_id or ""
    except CognateError as error:
        return error
    problem = text_problem(text.content, collection.model)
    if problem is not None:
        return InvalidInput(FieldError("/content", problem))
    return _AcceptedText(number, collection, record_id, job_id, text.content)


def _collection(app: Cognate, table: str, model_name: str | None) -> Collection:
    collection = app.collection(table)
    if model_name is not None and requested_model(model_name) is not collection.model:
        message = (
            f"The table {table!r} is embedded by {collection.model.name}; vectors of another "
            "model cannot be compared with its own. Leave out `model`."
        )
        raise ModelMismatch(message)
    return collection


def _result(item: _AcceptedText | CognateError, jobs: Mapping[int, str]) -> str | CognateError:
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
    accepted: Sequence[_AcceptedText],
    key: IdempotencyKey | None,
    now: datetime,
) -> tuple[Mapping[int, str], bool]:
    """Queue a job for each text whose record exists.

    Returns:
        The number of each text to the id of its job, and whether an earlier request got these.
    """
    token = new_id(REQUEST_PREFIX, now)
    ordered = sorted(accepted, key=lambda text: text.collection.scope)
    groups = [list(group) for _, group in groupby(ordered, lambda text: text.collection.scope)]
    statements = [] if key is None else take_statements(organization_id, key, token, now)
    requests = EmbeddingRequests(organization_id, now)
    kept: list[Statement] = []
    for group in groups:
        collection = group[0].collection
        record = RecordIs.ANY if group[0].is_text else RecordIs.LIVE
        condition = JobCondition(record, TokenOf.NOBODY if key is None else TokenOf.KEY)
        if group[0].is_text:
            texts = {text.record_id: text.content for text in group}
            statements.append(
                store_statement(
                    organization_id, collection, texts, condition=condition, token=token, now=now
                )
            )
        latest = {text.record_id: text for text in group}
        requests.add(
            collection,
            [
                EmbeddingRequest(text.record_id, None if text.is_text else text.content)
                for text in latest.values()
            ],
            source="api",
            condition=condition,
            job_ids=[text.job_id for text in latest.values()],
            token=token,
        )
        if key is not None:
            records = {text.number: text.record_id for text in group}
            kept.append(
                keep_statement(organization_id, collection, records, token, JobCondition(record))
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
        found |= {text.number: ids[text.record_id] for text in group if text.record_id in ids}
    return found, False
