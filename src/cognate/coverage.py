"""How much of a table is embedded, counted and never estimated.

Every record of the organization that is there now is in exactly one class; the first that fits:

- *pending*: a job of it is queued or running.
- *failed*: its last word is a failed job. The job that ended last failed, and no job that embeds at
  least as much has been done since.
- *missing*: no job has looked at it; it was written behind the API, or its table does not embed
  records by itself. A backfill of the missing ones queues these.
- *stale*: it has the vectors of another model, pooling or chunker than the table's of today, or its
  text or metadata was changed since they were made and no job has followed: behind the API, which
  the table's trigger counts, or in fields that its `on_update` does not watch. A backfill of the
  stale ones queues these.
- *embedded*: all others. A record with an empty text is one of them: there is nothing to embed.

A pending, failed or stale record may be found meanwhile, by the vectors it had before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.fingerprint import fingerprint
from cognate.jobs import resolved_by
from cognate.ports import Statement
from cognate.times import from_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.collections import Collection
    from cognate.ports import Platform, Row
    from cognate.principal import OrganizationId


@dataclass(frozen=True)
class Coverage:
    """The records of one table; `records` is the sum of the five numbers behind it.

    Attributes:
        table: its name.
        oldest_pending_seconds: since the oldest job of a pending record was first asked for; None
            where none is pending.
    """

    table: str
    records: int
    embedded: int
    pending: int
    failed: int
    stale: int
    missing: int
    oldest_pending_seconds: int | None


async def coverage(
    platform: Platform, organization_id: OrganizationId, collections: Sequence[Collection]
) -> list[Coverage]:
    """Count the organization's records of these tables, at one moment, in one D1 call.

    Raises:
        DatabaseError: D1 failed.
    """
    if not collections:
        return []
    statements = [count_statement(organization_id, collection) for collection in collections]
    answers = await platform.database.batch(statements)
    now = platform.clock.now()
    return [
        _coverage(collection, rows[0], now)
        for collection, rows in zip(collections, answers, strict=True)
    ]


def count_statement(organization_id: OrganizationId, collection: Collection) -> Statement:
    """One walk over the organization's records of a table, by its key and that of their states."""
    return Statement(
        "WITH pending AS MATERIALIZED (SELECT record_id, created_at FROM cognate_jobs "  # noqa: S608 - names of the schema
        "WHERE organization_id = ?1 AND scope = ?2 AND status IN ('queued', 'running')), "
        "failed AS MATERIALIZED (SELECT record_id FROM cognate_jobs f "
        "WHERE organization_id = ?1 AND scope = ?2 AND status = 'failed' AND NOT EXISTS ("
        f"{resolved_by('f')})), "
        "classes AS (SELECT CASE "
        "WHEN r.id IN (SELECT record_id FROM pending) THEN 'pending' "
        "WHEN r.id IN (SELECT record_id FROM failed) THEN 'failed' "
        "WHEN s.content_hash IS NULL THEN 'missing' "
        "WHEN s.fingerprint IS NOT ?3 OR s.changes <> s.changes_seen THEN 'stale' "
        "ELSE 'embedded' END AS class "
        f'FROM "{collection.sql_table}" r LEFT JOIN cognate_embeddings s '
        "ON s.organization_id = r.organization_id AND s.scope = ?2 AND s.record_id = r.id "
        f"WHERE r.organization_id = ?1{collection.not_deleted}) "
        "SELECT COUNT(*) AS records, COUNT(*) FILTER (WHERE class = 'embedded') AS embedded, "
        "COUNT(*) FILTER (WHERE class = 'pending') AS pending, "
        "COUNT(*) FILTER (WHERE class = 'failed') AS failed, "
        "COUNT(*) FILTER (WHERE class = 'stale') AS stale, "
        "COUNT(*) FILTER (WHERE class = 'missing') AS missing, "
        "(SELECT MIN(p.created_at) FROM pending p WHERE EXISTS ("
        f'SELECT 1 FROM "{collection.sql_table}" r WHERE r.organization_id = ?1 '
        f"AND r.id = p.record_id{collection.not_deleted})) AS oldest FROM classes",
        (organization_id, collection.scope, fingerprint(collection.model)),
    )


def _coverage(collection: Collection, row: Row, now: datetime) -> Coverage:
    oldest = row["oldest"]
    age = None if oldest is None else max(0, int((now - from_iso(oldest)).total_seconds()))
    return Coverage(
        table=collection.scope,
        records=row["records"],
        embedded=row["embedded"],
        pending=row["pending"],
        failed=row["failed"],
        stale=row["stale"],
        missing=row["missing"],
        oldest_pending_seconds=age,
    )
