"""Count how many records of a table are embedded. The counts are exact.

Each record of the organization belongs to exactly one class, the first of these that fits:

- *pending*: a job of the record is queued or running.
- *failed*: the record's last job failed, and no later job has resolved it.
- *missing*: no job has ever read the record. It was written by SQL, or its table does not embed
  records when they are written. A backfill of missing records queues these.
- *stale*: its vectors do not match the record or the table. The model, pooling or chunker changed.
  Or its text or metadata changed and no job followed: by SQL, which the table's triggers count, or
  in fields that `on_update` does not watch. Or its row was replaced by SQL and has lost its
  vectors. A backfill of stale records queues these.
- *embedded*: all others. A record with an empty text is embedded: there is nothing to embed.

A search may find a pending, failed or stale record by its earlier vectors.

Counting reads two rows for each record. So the counts of a large table are stored with their time,
and returned again for `KEPT_FOR`. They are exact at the time that they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cognate.errors import MissingColumn, MissingTable
from cognate.ports import Statement
from cognate.times import from_iso, to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.errors import DatabaseError
    from cognate.ports import Platform, Row
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection


KEPT_FOR: Final = timedelta(minutes=1)
"""How long stored counts of a large table are returned."""

LARGE: Final = 5000
"""Number of records above which counts are stored. Counting fewer takes D1 about 10 ms."""

NUMBERS: Final = ("records", "embedded", "pending", "failed", "stale", "missing")


@dataclass(frozen=True)
class Coverage:
    """The counts of one table. `records` is the sum of the five numbers after it.

    Attributes:
        table: name of the table.
        oldest_pending_seconds: age of the oldest job of a pending record; None if none is pending.
        counted_at: the time of the counts.
    """

    table: str
    records: int
    embedded: int
    pending: int
    failed: int
    stale: int
    missing: int
    oldest_pending_seconds: int | None
    counted_at: datetime


@dataclass(frozen=True)
class Uncounted:
    """A table whose records cannot be counted because a migration is missing."""

    table: str
    error: DatabaseError


async def coverage(
    platform: Platform, organization_id: OrganizationId, collections: Sequence[Collection]
) -> list[Coverage | Uncounted]:
    """Count the organization's records of these tables. The results are in the order of the tables.

    This makes one D1 call, and a second one to store the counts of large tables. If a table or
    column is missing in D1, it makes one call for each table.

    Raises:
        DatabaseError: D1 failed.
    """
    try:
        return [*await _coverage(platform, organization_id, collections)]
    except (MissingTable, MissingColumn):
        return [await _alone(platform, organization_id, item) for item in collections]


async def _alone(
    platform: Platform, organization_id: OrganizationId, collection: Collection
) -> Coverage | Uncounted:
    try:
        [found] = await _coverage(platform, organization_id, [collection])
    except (MissingTable, MissingColumn) as error:
        return Uncounted(collection.scope, error)
    return found


async def _coverage(
    platform: Platform, organization_id: OrganizationId, collections: Sequence[Collection]
) -> list[Coverage]:
    """Return the counts of these tables: stored ones, or new ones that all have the same time."""
    if not collections:
        return []
    now = platform.clock.now()
    answers = await platform.database.batch(
        [
            statement
            for collection in collections
            for statement in (
                kept_statement(organization_id, collection, now),
                count_statement(organization_id, collection, now),
            )
        ]
    )
    counted = answers[1::2]
    rows = [kept or fresh for kept, fresh in zip(answers[::2], counted, strict=True)]
    large = [
        _keep(organization_id, collection, fresh[0])
        for collection, fresh in zip(collections, counted, strict=True)
        if fresh and fresh[0]["records"] > LARGE
    ]
    if large:
        await platform.database.batch(large)
    return [_counts(item, row) for item, [row] in zip(collections, rows, strict=True)]


def kept_statement(
    organization_id: OrganizationId, collection: Collection, now: datetime
) -> Statement:
    """Return the stored counts, unless they are too old."""
    return Statement(
        "SELECT records, embedded, pending, failed, stale, missing, oldest, counted_at "
        "FROM cognate_coverage WHERE organization_id = ?1 AND scope = ?2 AND counted_at > ?3",
        (organization_id, collection.scope, to_iso(now - KEPT_FOR)),
    )


def count_statement(
    organization_id: OrganizationId, collection: Collection, now: datetime
) -> Statement:
    """Count the organization's records of a table, by one walk over their keys and state rows.

    The statement returns no row, and reads no record, if the stored counts are not too old.
    """
    return Statement(
        "WITH pending AS MATERIALIZED (SELECT record_id, created_at FROM cognate_jobs "  # noqa: S608 - names of the schema
        "INDEXED BY cognate_jobs_open WHERE organization_id = ?1 AND scope = ?2 "
        "AND announced IN (0, 1, 2) AND completed_at IS NULL), "
        "failed AS MATERIALIZED (SELECT record_id FROM cognate_jobs f "
        "INDEXED BY cognate_jobs_by_table_and_status "
        "WHERE organization_id = ?1 AND scope = ?2 AND status = 'failed' "
        "AND status IN ('failed', 'superseded', 'dismissed') AND NOT EXISTS ("
        "SELECT 1 FROM cognate_jobs d INDEXED BY cognate_jobs_by_record "
        "WHERE d.organization_id = f.organization_id AND d.scope = f.scope "
        "AND d.record_id = f.record_id AND +d.status = 'done' AND d.embeds >= f.embeds "
        "AND (d.completed_at, d.id) > (f.completed_at, f.id))), "
        "classes AS (SELECT g.due, CASE WHEN r.id IS NULL THEN NULL "
        "WHEN r.id IN (SELECT record_id FROM pending) THEN 'pending' "
        "WHEN r.id IN (SELECT record_id FROM failed) THEN 'failed' "
        "WHEN s.content_hash IS NULL THEN 'missing' "
        "WHEN s.fingerprint IS NOT ?3 OR s.changes <> s.changes_seen "
        f"OR NOT {collection.holds_vectors} THEN 'stale' "
        "ELSE 'embedded' END AS class "
        # If this returns no row, no record is read.
        "FROM (SELECT 1 AS due WHERE NOT EXISTS (SELECT 1 FROM cognate_coverage "
        "WHERE organization_id = ?1 AND scope = ?2 AND counted_at > ?4)) g "
        f'LEFT JOIN "{collection.sql_table}" r ON r.organization_id = ?1{collection.not_deleted} '
        "LEFT JOIN cognate_embeddings s "
        "ON s.organization_id = r.organization_id AND s.scope = ?2 AND s.record_id = r.id) "
        "SELECT COUNT(class) AS records, COUNT(*) FILTER (WHERE class = 'embedded') AS embedded, "
        "COUNT(*) FILTER (WHERE class = 'pending') AS pending, "
        "COUNT(*) FILTER (WHERE class = 'failed') AS failed, "
        "COUNT(*) FILTER (WHERE class = 'stale') AS stale, "
        "COUNT(*) FILTER (WHERE class = 'missing') AS missing, "
        "(SELECT MIN(p.created_at) FROM pending p WHERE EXISTS ("
        f'SELECT 1 FROM "{collection.sql_table}" r WHERE r.organization_id = ?1 '
        f"AND r.id = p.record_id{collection.not_deleted})) AS oldest, ?5 AS counted_at "
        "FROM classes GROUP BY due",
        (
            organization_id,
            collection.scope,
            collection.model.fingerprint,
            to_iso(now - KEPT_FOR),
            to_iso(now),
        ),
    )


def _keep(organization_id: OrganizationId, collection: Collection, row: Row) -> Statement:
    return Statement(
        "INSERT OR REPLACE INTO cognate_coverage (organization_id, scope, records, embedded, "
        "pending, failed, stale, missing, oldest, counted_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            organization_id,
            collection.scope,
            *(row[name] for name in NUMBERS),
            row["oldest"],
            row["counted_at"],
        ),
    )


def _counts(collection: Collection, row: Row) -> Coverage:
    oldest, counted_at = row["oldest"], from_iso(row["counted_at"])
    age = None if oldest is None else (counted_at - from_iso(oldest)).total_seconds()
    return Coverage(
        table=collection.scope,
        records=row["records"],
        embedded=row["embedded"],
        pending=row["pending"],
        failed=row["failed"],
        stale=row["stale"],
        missing=row["missing"],
        oldest_pending_seconds=None if age is None else max(0, int(age)),
        counted_at=counted_at,
    )
