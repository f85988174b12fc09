"""Messages of the embeddings queue: make them, and parse those that arrive.

Cognate's own messages are small. They name a job, and the consumer reads the text from D1. Another
Worker may send a message with its own `content`. Such a message gets a job when it arrives. The
organization that a message names is trusted: only Workers of the account can send to the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from cognate.models import DEFAULT_MODEL, MODELS
from cognate.schema.collections import TEXTS_PREFIX, Collection, Collections
from cognate.text_limits import UNSTORABLE, text_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_PREFIX: Final = "job"
MESSAGE_TYPE: Final = "embedding"
BACKFILL_TYPE: Final = "backfill"
MESSAGE_VERSION: Final = 1
MAX_ID_CHARACTERS: Final = 128
"""Longest id of a record, job or organization in a message."""


@dataclass(frozen=True)
class Delivery:
    """One message as the queue delivers it.

    Attributes:
        message_id: the queue's own id. It is the same for each delivery of one message, and for
            its dead letter.
        body: the message's content, of any type.
        attempts: number of deliveries of this message, this one included; 1 or more.
        characters: length of its body as JSON.
        sent_at: when it was sent. Like the id, it never changes.
    """

    message_id: str
    body: object
    attempts: int
    characters: int = 0
    sent_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


RetryDelays = dict[str, int | None]
"""The id of each message to the seconds until its next delivery. None acknowledges the message."""


@dataclass(frozen=True)
class JobReference:
    """A message of Cognate that names a job. The job is in D1."""

    organization_id: str
    scope: str
    job_id: str


@dataclass(frozen=True)
class ForeignText:
    """A message of another Worker that brings a text to embed.

    Attributes:
        organization_id: the owner of the text.
        collection: the collection that the vector belongs to.
        record_id: the row that gets the vector; None for a text without a table.
        content: the text, not blank.
    """

    organization_id: str
    collection: Collection
    record_id: str | None
    content: str


@dataclass(frozen=True)
class BackfillStep:
    """A message of Cognate that asks for the next step of a backfill.

    Attributes:
        backfill_id: id of the backfill. The backfill is in D1.
        scope: the collection that it walks over.
        step: number of the step. A step is never taken twice.
    """

    backfill_id: str
    scope: str
    step: int


@dataclass(frozen=True)
class Malformed:
    """A message that cannot be understood. It is acknowledged, and recorded as a failed job.

    Attributes:
        reason: a sentence for its sender. It quotes nothing from the message.
        organization_id: the organization that it names; None if it names none.
    """

    reason: str
    organization_id: str | None = None


Message = JobReference | ForeignText | BackfillStep | Malformed


@dataclass(frozen=True)
class Received:
    """A parsed message.

    Attributes:
        message_id: see `Delivery`.
        attempts: see `Delivery`.
        job_id: id of the job that it names. If it names none, an id derived from the message's id
            and from the time at which it was sent.
        message: the parsed content.
    """

    message_id: str
    attempts: int
    job_id: str
    message: Message

    @property
    def key(self) -> JobKey | None:
        """Return the key of its job, or None if it has no job that can run."""
        redelivered = self.attempts > 1
        match self.message:
            case JobReference(organization_id=organization_id, scope=scope):
                return JobKey(organization_id, scope, self.job_id, redelivered)
            case ForeignText(organization_id=organization_id, collection=collection):
                return JobKey(organization_id, collection.scope, self.job_id, redelivered)
            case _:
                return None


@dataclass(frozen=True)
class JobKey:
    """The key of a job that a message names.

    Attributes:
        redelivered: True if the message was delivered before. Then its earlier handler has died.
    """

    organization_id: str
    scope: str
    job_id: str
    redelivered: bool = False

    def fields(self) -> dict[str, Any]:
        """Return the key as fields of a JSON row."""
        return {
            "organization": self.organization_id,
            "scope": self.scope,
            "job": self.job_id,
            "redelivered": int(self.redelivered),
        }


def reference(organization_id: str, scope: str, job_id: str) -> dict[str, str | int]:
    """Make the message that announces a job."""
    return {
        "type": MESSAGE_TYPE,
        "version": MESSAGE_VERSION,
        "organizationId": organization_id,
        "scope": scope,
        "jobId": job_id,
    }


def backfill_step(backfill_id: str, scope: str, step: int) -> dict[str, str | int]:
    """Make the message that asks for a step of a backfill."""
    return {
        "type": BACKFILL_TYPE,
        "version": MESSAGE_VERSION,
        "backfillId": backfill_id,
        "scope": scope,
        "step": step,
    }


class _Unclear(Exception):
    """The message cannot be understood. The text says why, and quotes nothing from the message."""


def parse(body: object, collections: Collections) -> Message:
    """Parse one message. It never raises; a message that cannot be understood is `Malformed`."""
    if not isinstance(body, dict):
        return Malformed('a message must be an object such as {"type": "embedding", ...}')
    try:
        return _understood(body, collections)
    except _Unclear as reason:
        organization_id = body.get("organizationId")
        return Malformed(str(reason), organization_id if _is_id(organization_id) else None)


def _understood(body: Mapping[str, Any], collections: Collections) -> Message:
    if body.get("type") not in (MESSAGE_TYPE, BACKFILL_TYPE):
        raise _Unclear('a message needs "type": "embedding"')
    if body.get("version", MESSAGE_VERSION) != MESSAGE_VERSION:
        raise _Unclear(f'this consumer knows "version": {MESSAGE_VERSION} only')
    if body["type"] == BACKFILL_TYPE:
        return _step(body)
    return _foreign(body, collections) if "content" in body else _reference(body)


def _reference(body: Mapping[str, Any]) -> JobReference:
    organization_id, scope, job_id = (body.get(key) for key in ("organizationId", "scope", "jobId"))
    if not (_is_id(organization_id) and _is_id(scope) and _is_id(job_id)):
        raise _Unclear(
            'a message needs "organizationId" and "content", or the "organizationId", "scope" and '
            '"jobId" of a job'
        )
    return JobReference(organization_id, scope, job_id)


def _step(body: Mapping[str, Any]) -> BackfillStep:
    backfill_id, scope, step = body.get("backfillId"), body.get("scope"), body.get("step")
    if not (_is_id(backfill_id) and isinstance(scope, str) and _is_whole(step)):
        raise _Unclear('a message of a backfill needs its "backfillId", "scope" and "step"')
    return BackfillStep(backfill_id, scope, int(step))


def _foreign(body: Mapping[str, Any], collections: Collections) -> ForeignText:
    organization_id = body.get("organizationId")
    if not _is_id(organization_id):
        raise _Unclear('a message with "content" needs the "organizationId" it belongs to')
    collection, record_id = _place(body, collections)
    content = _content(body["content"], collection)
    return ForeignText(organization_id, collection, record_id, content)


def _content(content: object, collection: Collection) -> str:
    if not (isinstance(content, str) and content.strip()):
        raise _Unclear('"content" must be a text that is not blank')
    # JSON can hold half of a surrogate pair. D1 refuses it, and the whole batch would fail.
    content = content.encode("utf-8", "replace").decode()
    problem = text_problem(content, collection.model)
    if problem is not None:
        raise _Unclear(f'"content" {problem}')
    return content


def _place(body: Mapping[str, Any], collections: Collections) -> tuple[Collection, str | None]:
    """Return the collection and the record that a text belongs to."""
    table, record_id, model = body.get("table"), body.get("id"), body.get("model")
    if model is not None and (not isinstance(model, str) or model not in MODELS):
        raise _Unclear(f'"model" must be one of {", ".join(MODELS)}')
    if table is None:
        if record_id is not None:
            raise _Unclear('an "id" needs the "table" it is in')
        return collections[TEXTS_PREFIX + (model or DEFAULT_MODEL)], None
    known = collections.get(table)
    if known is None or known.table_name is None:
        raise _Unclear('"table" must be a table of the schema that has embeddings')
    if not _is_id(record_id):
        raise _Unclear('a "table" needs the "id" of a record in it')
    if model not in {None, known.model.name}:
        raise _Unclear(f'the "model" of this table is {known.model.name}')
    return known, record_id


def _is_id(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_CHARACTERS
        and not UNSTORABLE.search(value)
    )


def _is_whole(value: object) -> TypeGuard[int | float]:
    # In Python, True is an int. In JavaScript, 1.0 is a whole number.
    return type(value) is int or (isinstance(value, float) and value.is_integer())
