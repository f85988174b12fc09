"""Idempotency keys: a request that is sent again gets the answer of the first one.

A request takes its key in the same D1 batch that does the work, and writes a token of its own into
the key's row. Every statement of the work runs only if the row holds that token. So of two
concurrent requests exactly one does the work, and both read its result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import IdempotencyKeyReused
from cognate.ports import Row, Statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cognate.jobs.conditions import JobCondition
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection

KEY_LIFETIME: Final = timedelta(hours=24)
"""How long the answer of the first request is kept."""

MAX_PRUNED_PER_RUN: Final = 1000
"""Most expired keys that the sweeper removes in one run."""


@dataclass(frozen=True)
class IdempotencyKey:
    """A key that a caller sends so that a request is done only once.

    Attributes:
        value: chosen by the caller, unique within the organization.
        request_hash: hash of the request that was sent with it.
    """

    value: str
    request_hash: str

    @classmethod
    def of(cls, value: str, operation: str, request: Mapping[str, Any]) -> IdempotencyKey:
        """Make the key of a request from the name of its operation and its parsed body."""
        seed = json.dumps([operation, request], sort_keys=True, separators=(",", ":"))
        return cls(value, hashlib.sha256(seed.encode()).hexdigest())


def take_statements(
    organization_id: OrganizationId, key: IdempotencyKey, token: str, now: datetime
) -> list[Statement]:
    """Take the key, unless a request of the last 24 hours has it."""
    return [
        Statement(
            "DELETE FROM cognate_idempotency_keys "
            "WHERE organization_id = ?1 AND key = ?2 AND created_at < ?3",
            (organization_id, key.value, to_iso(now - KEY_LIFETIME)),
        ),
        Statement(
            "INSERT OR IGNORE INTO cognate_idempotency_keys (organization_id, key, request_hash, "
            "token, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (organization_id, key.value, key.request_hash, token, to_iso(now)),
        ),
    ]


def keep_statement(
    organization_id: OrganizationId,
    collection: Collection,
    records: Mapping[int, str],
    token: str,
    condition: JobCondition,
) -> Statement:
    """Store the ids of the jobs that were queued for items of one collection.

    Args:
        organization_id: the owner of the jobs.
        collection: the collection of the records.
        records: the position of each item in the request to the id of its record.
        token: the token of this request.
        condition: the condition on which the jobs were queued.
    """
    items = [{"place": str(place), "record": record} for place, record in records.items()]
    return Statement(
        "UPDATE cognate_idempotency_keys SET jobs = json_patch(jobs, ("  # noqa: S608 - a condition of ours
        "SELECT json_group_object(json_each.value ->> 'place', j.id) FROM json_each(?3) "
        "CROSS JOIN cognate_jobs j INDEXED BY cognate_jobs_by_record "
        "ON j.organization_id = ?1 AND j.scope = ?2 "
        "AND j.record_id = json_each.value ->> 'record' AND +j.status = 'queued' "
        f"WHERE {condition.sql(collection)})) WHERE organization_id = ?1 AND token = ?4",
        (organization_id, collection.scope, json.dumps(items), token),
    )


def read_statements(
    organization_id: OrganizationId, key: IdempotencyKey, token: str
) -> list[Statement]:
    """Free the key if nothing was queued under it, then read its row.

    Returns:
        Two statements. The second returns the row for `first_jobs`, if there is one.
    """
    return [
        Statement(
            "DELETE FROM cognate_idempotency_keys "
            "WHERE organization_id = ?1 AND token = ?2 AND jobs = '{}'",
            (organization_id, token),
        ),
        Statement(
            "SELECT token, request_hash, jobs FROM cognate_idempotency_keys "
            "WHERE organization_id = ?1 AND key = ?2",
            (organization_id, key.value),
        ),
    ]


def first_jobs(rows: list[Row], key: IdempotencyKey, token: str) -> dict[int, str] | None:
    """Return the jobs of an earlier request by position, or None if this request is the first.

    Raises:
        IdempotencyKeyReused: the earlier request was a different one.
    """
    if not rows or rows[0]["token"] == token:
        return None
    if rows[0]["request_hash"] != key.request_hash:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was sent with another request; choose a new key for a new one."
        )
    return {int(place): job_id for place, job_id in json.loads(rows[0]["jobs"]).items()}


def prune_keys(now: datetime) -> Statement:
    """Remove expired keys of all organizations."""
    return Statement(
        "DELETE FROM cognate_idempotency_keys WHERE (organization_id, key) IN ("
        "SELECT organization_id, key FROM cognate_idempotency_keys WHERE created_at < ?1 "
        "ORDER BY created_at LIMIT ?2)",
        (to_iso(now - KEY_LIFETIME), MAX_PRUNED_PER_RUN),
    )
