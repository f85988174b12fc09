"""Store, find and delete texts that were posted without a table.

A text is stored under the id of its job. Deleting a text removes its row, so no search finds it any
more, and queues a job that removes its vectors from the index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

from cognate.embedding.request import EmbeddingRequest, EmbeddingRequests
from cognate.errors import NotFound
from cognate.jobs.conditions import JobCondition, RecordIs
from cognate.jobs.job import Job, JobStatus, read_job
from cognate.jobs.queue import announce
from cognate.ports import Statement
from cognate.schema.collections import POSTED_TEXTS, TEXTS_PREFIX
from cognate.times import from_iso, to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cognate.ports import Database, Platform, Row
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection

MAX_EXPIRED_PER_RUN: Final = 500
"""Most expired texts that the sweeper reads in one run."""

MAX_EXPIRED_GROUPS: Final = 50
"""Most groups of expired texts that one run deletes. A group has one organization and one model,
and takes four statements."""

SCOPES: Final = json.dumps([texts.scope for texts in POSTED_TEXTS.values()])


@dataclass(frozen=True)
class PostedText:
    """A text that was posted without a table.

    Attributes:
        id: the id of its job.
        model: name of the model that embeds it.
        embedded_at: None until it has a vector.
    """

    id: str
    content: str
    model: str
    created_at: datetime
    embedded_at: datetime | None


async def find_text(
    database: Database, organization_id: OrganizationId, text_id: str
) -> PostedText | None:
    """Return a text of the organization, or None if there is none of this id.

    Raises:
        DatabaseError: D1 failed.
    """
    sql = (
        "SELECT t.id, t.content, t.created_at, s.scope, s.embedded_at FROM cognate_texts t "
        "LEFT JOIN cognate_embeddings s ON s.organization_id = t.organization_id "
        "AND s.scope IN (SELECT value FROM json_each(?3)) AND s.record_id = t.id "
        "WHERE t.organization_id = ?1 AND t.id = ?2 AND s.scope IS NOT NULL"
    )
    [rows] = await database.batch([Statement(sql, (organization_id, text_id, SCOPES))])
    if not rows:
        return None
    row = rows[0]
    return PostedText(
        id=row["id"],
        content=row["content"],
        model=row["scope"].removeprefix(TEXTS_PREFIX),
        created_at=from_iso(row["created_at"]),
        embedded_at=from_iso(row["embedded_at"]) if row["embedded_at"] else None,
    )


async def find_job(database: Database, organization_id: OrganizationId, job_id: str) -> Job:
    """Return one job of the organization.

    A posted text may be older than the retention of jobs. Then its job has no row any more, and is
    returned as done.

    Raises:
        NotFound: the organization has no such job.
        DatabaseError: D1 failed.
    """
    job = await read_job(database, organization_id, job_id)
    if job is not None:
        return job
    text = await find_text(database, organization_id, job_id)
    if text is None or text.embedded_at is None:
        raise NotFound("job", "There is no such embedding job in your organization.")
    return Job(
        id=text.id,
        status=JobStatus.DONE,
        table=None,
        record_id=None,
        model=text.model,
        attempts=1,
        error_code=None,
        error_message=None,
        created_at=text.created_at,
        updated_at=text.embedded_at,
        completed_at=text.embedded_at,
    )


def store_statement(  # noqa: PLR0913 - each is in the statement
    organization_id: OrganizationId,
    collection: Collection,
    texts: Mapping[str, str],
    *,
    condition: JobCondition,
    token: str,
    now: datetime,
) -> Statement:
    """Store texts without a table. `texts` is each text's id to its content."""
    payload = [
        {"record": text_id, "content": content, "token": token}
        for text_id, content in texts.items()
    ]
    return Statement(
        "INSERT INTO cognate_texts (organization_id, id, content, created_at) "  # noqa: S608 - a condition of ours
        "SELECT ?1, value ->> 'record', value ->> 'content', ?4 FROM json_each(?3) "
        f"WHERE ?2 IS NOT NULL AND {condition.sql(collection)}",
        (
            organization_id,
            collection.scope,
            json.dumps(payload, ensure_ascii=False),
            to_iso(now),
        ),
    )


def store_foreign_statement(payload: str, now: datetime) -> Statement:
    """Store texts without a table that arrive with their messages.

    Args:
        payload: a JSON list of rows: `organization`, `record`, `content` and `is_text`.
        now: the time.
    """
    return Statement(_STORE_FOREIGN, (payload, to_iso(now)))


_STORE_FOREIGN: Final = """
INSERT OR IGNORE INTO cognate_texts (organization_id, id, content, created_at)
SELECT value ->> 'organization', value ->> 'record', value ->> 'content', ?2
FROM json_each(?1) WHERE value ->> 'is_text'
"""


async def delete_text(platform: Platform, organization_id: OrganizationId, text_id: str) -> None:
    """Delete a text of the organization, and queue the removal of its vectors.

    Raises:
        NotFound: the organization has no such text.
        DatabaseError: nothing was deleted.
    """
    text = await find_text(platform.database, organization_id, text_id)
    deleted = 0
    if text is not None:
        deletion = TextDeletion(organization_id, platform.clock.now())
        deletion.add(text.model, [text.id])
        answers = await platform.database.batch(deletion.statements)
        await announce(platform, deletion.announced(answers))
        deleted = deletion.deleted(answers)
    if not deleted:
        raise NotFound("text", "There is no such posted text in your organization.")


async def delete_expired(platform: Platform, expired: Sequence[Row]) -> int:
    """Delete expired texts, which are rows of `expired_statement`.

    Returns:
        How many were deleted. The next run deletes the others.

    Raises:
        DatabaseError: nothing was deleted.
    """
    now = platform.clock.now()
    ordered = sorted(expired, key=lambda row: (row["organization_id"], row["scope"]))
    groups = groupby(ordered, key=lambda row: (row["organization_id"], row["scope"]))
    deletions: list[TextDeletion] = []
    for (organization_id, scope), rows in islice(groups, MAX_EXPIRED_GROUPS):
        deletion = TextDeletion(organization_id, now)
        deletion.add(scope.removeprefix(TEXTS_PREFIX), [row["id"] for row in rows])
        deletions.append(deletion)
    if not deletions:
        return 0
    answers = await platform.database.batch(
        [statement for deletion in deletions for statement in deletion.statements]
    )
    parts: list[list[list[Row]]] = []
    for deletion in deletions:
        parts.append(answers[: len(deletion.statements)])
        answers = answers[len(deletion.statements) :]
    pairs = list(zip(deletions, parts, strict=True))
    await announce(platform, [row for item, part in pairs for row in item.announced(part)])
    return sum(item.deleted(part) for item, part in pairs)


def expired_statement(before: datetime) -> Statement:
    """Return (organization_id, id, scope) of the oldest texts that were stored before this time."""
    return Statement(
        "SELECT t.organization_id, t.id, s.scope FROM ("
        "SELECT organization_id, id FROM cognate_texts WHERE created_at < ?1 "
        "ORDER BY created_at LIMIT ?2) t "
        "LEFT JOIN cognate_embeddings s ON s.organization_id = t.organization_id "
        "AND s.scope IN (SELECT value FROM json_each(?3)) AND s.record_id = t.id "
        "WHERE s.scope IS NOT NULL",
        (to_iso(before), MAX_EXPIRED_PER_RUN, SCOPES),
    )


class TextDeletion:
    """The statements that delete texts of one organization, and queue the removal of vectors."""

    def __init__(self, organization_id: str, now: datetime) -> None:
        """Begin without any text."""
        self._organization_id = organization_id
        self._requests = EmbeddingRequests(organization_id, now)
        self._deletes: list[Statement] = []

    def add(self, model: str, text_ids: Sequence[str], record: RecordIs = RecordIs.LIVE) -> None:
        """Add texts of one model. A text that is already deleted is left out.

        Args:
            model: name of the model that embeds them.
            text_ids: ids of the texts.
            record: the state that a text must have to be deleted.
        """
        texts, condition = POSTED_TEXTS[model], JobCondition(record)
        self._requests.add(
            texts,
            [EmbeddingRequest(text_id) for text_id in text_ids],
            source="delete",
            condition=condition,
        )
        records = json.dumps([{"record": text_id} for text_id in text_ids])
        self._deletes.append(
            Statement(
                "DELETE FROM cognate_texts WHERE organization_id = ?1 AND id IN ("  # noqa: S608 - a condition of ours
                "SELECT value ->> 'record' FROM json_each(?3) "
                f"WHERE ?2 IS NOT NULL AND {condition.sql(texts)}) RETURNING id",
                (self._organization_id, texts.scope, records),
            )
        )

    @property
    def statements(self) -> list[Statement]:
        """Return the statements of the batch."""
        return [*self._requests.statements, *self._deletes]

    def announced(self, answers: Sequence[list[Row]]) -> list[Row]:
        """Return the jobs to announce, from the answers to `statements`."""
        return self._requests.announced(answers)

    def deleted(self, answers: Sequence[list[Row]]) -> int:
        """Return how many texts were deleted, from the answers to `statements`."""
        return sum(len(rows) for rows in answers[len(self._requests.statements) :])
