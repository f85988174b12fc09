"""Idempotency keys: a request that is sent again gets the first answer again.

A key is taken in the same D1 batch that does the work. The request brings a token of its own; every
statement of the work asks whether the key's row holds that token, so of two requests that arrive at
once exactly one works, and both read what it did.
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
"""How long a first answer is kept."""

MAX_PRUNED_PER_RUN: Final = 1000
"""Expired keys that the sweeper removes in one run."""


@dataclass(frozen=True)
class IdempotencyKey:
    """What a caller sent to have a request done once.

    Attributes:
        value: chosen by the caller, unique within the organization.
        request_hash: of what was asked under it.
    """

    value: str
    request_hash: str

    @classmethod
    def of(cls, value: str, operation: str, request: Mapping[str, Any]) -> IdempotencyKey:
        """The key of a request, by the name of its operation and its parsed body."""
        seed = json.dumps([operation, request], sort_keys=True, separators=(",", ":"))
        return cls(value, hashlib.sha256(seed.encode()).hexdigest())


def take_statements(
    organization_id: OrganizationId, key: IdempotencyKey, token: str, now: datetime
) -> list[Statement]:
    """Take the key unless an earlier request of the last 24 hours has it."""
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
    """Keep the ids of the jobs that items of one collection got.

    Args:
        organization_id: whose they are.
        collection: of the records.
        records: the position of each item in the request to the id of its record.
        token: of this request.
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
    """Give the key back if nothing was queued under it, and read who has it.

    Returns:
        Two statements; the second returns the row that `first_jobs` understands, or none.
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
    """The jobs of an earlier request, by place; None where this request is the first.

    Raises:
        IdempotencyKeyReused: the earlier one asked for something else.
    """
    if not rows or rows[0]["token"] == token:
        return None
    if rows[0]["request_hash"] != key.request_hash:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was sent with another request; choose a new key for a new one."
        )
    return {int(place): job_id for place, job_id in json.loads(rows[0]["jobs"]).items()}


def prune_keys(now: datetime) -> Statement:
    """Remove expired keys, of all organizations."""
    return Statement(
        "DELETE FROM cognate_idempotency_keys WHERE (organization_id, key) IN ("
        "SELECT organization_id, key FROM cognate_idempotency_keys WHERE created_at < ?1 "
        "ORDER BY created_at LIMIT ?2)",
        (to_iso(now - KEY_LIFETIME), MAX_PRUNED_PER_RUN),
    )
