"""Texts that were posted without a table: found, and deleted with their vectors.

A text is kept under the id of the job that it was posted with. Deleting it removes its row, so no
search finds it any more, and queues a job that removes its vectors from the index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cognate.errors import NotFound
from cognate.jobs.queue import Wanted, announce, queue_statements, release_statement
from cognate.ports import Statement
from cognate.schema.collections import POSTED_TEXTS, TEXTS_PREFIX
from cognate.times import from_iso, to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Database, Platform, Row
    from cognate.principal import OrganizationId

MAX_EXPIRED_PER_RUN: Final = 500
"""Old texts that the sweeper looks at in one run."""

MAX_EXPIRED_GROUPS: Final = 50
"""Of how many organizations and models they are deleted in one run: four statements each."""

SCOPES: Final = json.dumps([texts.scope for texts in POSTED_TEXTS.values()])

STATE: Final = (
    "LEFT JOIN cognate_embeddings s ON s.organization_id = t.organization_id "
    "AND s.scope IN (SELECT value FROM json_each(?3)) AND s.record_id = t.id"
)
"""Joins a text `t` with what is known of its vectors; ?3 is `SCOPES`."""


@dataclass(frozen=True)
class PostedText:
    """A text that was posted without a table.

    Attributes:
        id: of the job that it was posted with.
        model: that embeds it.
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
    """A text of the organization; None where it has none of this id.

    Raises:
        DatabaseError: D1 failed.
    """
    sql = (
        "SELECT t.id, t.content, t.created_at, s.scope, s.embedded_at FROM cognate_texts t "  # noqa: S608 - a constant
        f"{STATE} WHERE t.organization_id = ?1 AND t.id = ?2 AND s.scope IS NOT NULL"
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


async def delete_text(platform: Platform, organization_id: OrganizationId, text_id: str) -> None:
    """Delete a text of the organization, and queue the removal of its vectors.

    Raises:
        NotFound: it does not exist, or is another organization's; the two look the same.
        DatabaseError: nothing was deleted.
    """
    text = await find_text(platform.database, organization_id, text_id)
    deleted: list[Row] = []
    if text is not None:
        now = platform.clock.now()
        *_, deleted, released = await platform.database.batch(
            [
                *delete_statements(organization_id, text.model, [text.id], now),
                release_statement(organization_id, now),
            ]
        )
        await announce(platform, released)
    if not deleted:
        raise NotFound("text", "There is no such posted text in your organization.")


async def delete_expired(platform: Platform, expired: Sequence[Row]) -> int:
    """Delete texts that are older than they may be: rows of `expired_statement`.

    Returns:
        How many were deleted; the next run goes on with the others.

    Raises:
        DatabaseError: nothing was deleted.
    """
    now = platform.clock.now()
    ordered = sorted(expired, key=lambda row: (row["organization_id"], row["scope"]))
    groups = groupby(ordered, key=lambda row: (row["organization_id"], row["scope"]))
    statements: list[Statement] = []
    size = 0
    for number, ((organization_id, scope), rows) in enumerate(groups):
        if number == MAX_EXPIRED_GROUPS:
            break
        model = scope.removeprefix(TEXTS_PREFIX)
        group = delete_statements(organization_id, model, [row["id"] for row in rows], now)
        size = len(group) + 1
        statements += [*group, release_statement(organization_id, now)]
    if not statements:
        return 0
    answers = await platform.database.batch(statements)
    await announce(platform, [row for rows in answers[size - 1 :: size] for row in rows])
    return sum(len(rows) for rows in answers[size - 2 :: size])


def expired_statement(before: datetime) -> Statement:
    """Returns (organization_id, id, scope) of the oldest texts from before this time."""
    return Statement(
        "SELECT t.organization_id, t.id, s.scope FROM ("  # noqa: S608 - a constant
        "SELECT organization_id, id FROM cognate_texts WHERE created_at < ?1 "
        f"ORDER BY created_at LIMIT ?2) t {STATE} WHERE s.scope IS NOT NULL",
        (to_iso(before), MAX_EXPIRED_PER_RUN, SCOPES),
    )


def delete_statements(
    organization_id: str,
    model: str,
    text_ids: Sequence[str],
    now: datetime,
    condition: str = "TRUE",
) -> list[Statement]:
    """Delete texts of one model, and queue the removal of their vectors.

    Args:
        organization_id: whose they are.
        model: that embeds them.
        text_ids: which ones; one that is gone is left out.
        now: the time.
        condition: an SQL condition on `value ->> 'record'`, and on ?1 (organization) and ?2
            (scope): only where it holds, a text is deleted.

    Returns:
        Statements of which the last returns the id of each text that was deleted.
    """
    texts = POSTED_TEXTS[model]
    records = json.dumps([{"record": text_id} for text_id in text_ids])
    return [
        *queue_statements(
            texts,
            organization_id,
            [Wanted(text_id) for text_id in text_ids],
            source="delete",
            now=now,
            condition=f"{texts.live_record} AND {condition}",
        ),
        Statement(
            "DELETE FROM cognate_texts WHERE organization_id = ?1 AND id IN ("  # noqa: S608 - a condition of ours
            f"SELECT value ->> 'record' FROM json_each(?3) WHERE ?2 IS NOT NULL AND {condition}) "
            "RETURNING id",
            (organization_id, texts.scope, records),
        ),
    ]
