"""Conditions on which a record gets a job. D1 checks them when it queues the job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cognate.schema.collections import Collection


class RecordIs(Enum):
    """The state that a record must have to get a job."""

    ANY = "any"
    LIVE = "live"
    """It exists, and is not deleted."""
    GONE = "gone"
    """It was deleted, but its state row is still there, so it may still have vectors."""
    WRITTEN = "written"
    """Nobody has written it since this request did: its `updated_at` is the request's token."""
    ABANDONED = "abandoned"
    """It is a text that was never embedded, and no job embeds it."""


class TokenOf(Enum):
    """The row that must hold the request's token. Of two concurrent requests one finds its own."""

    NOBODY = "nobody"
    """No token is needed."""
    KEY = "key"
    """The row of the request's idempotency key."""
    BACKFILL = "backfill"
    """The row of the backfill whose step this is."""


@dataclass(frozen=True)
class JobCondition:
    """The condition on which a record gets a job. It is checked for each record separately."""

    record: RecordIs = RecordIs.ANY
    token: TokenOf = TokenOf.NOBODY

    def sql(self, collection: Collection) -> str:
        """Return the condition as SQL, for a statement over `json_each`.

        The statement's ?1 is the organization and ?2 the scope. Each `value` has the fields
        `record` and `token`.
        """
        return f"({_record(self.record, collection)} AND {TOKENS[self.token]})"


TOKENS = {
    TokenOf.NOBODY: "TRUE",
    TokenOf.KEY: (
        "EXISTS (SELECT 1 FROM cognate_idempotency_keys k WHERE k.organization_id = ?1 "
        "AND k.token = json_each.value ->> 'token')"
    ),
    TokenOf.BACKFILL: (
        "EXISTS (SELECT 1 FROM cognate_backfills b WHERE b.organization_id = ?1 "
        "AND b.token = json_each.value ->> 'token')"
    ),
}

_HAS_STATE: Final = (
    "EXISTS (SELECT 1 FROM cognate_embeddings g WHERE g.organization_id = ?1 "
    "AND g.scope = ?2 AND g.record_id = json_each.value ->> 'record')"
)

_NEVER_EMBEDDED: Final = (
    "EXISTS (SELECT 1 FROM cognate_embeddings e "
    "WHERE e.organization_id = ?1 AND e.scope = ?2 "
    "AND e.record_id = json_each.value ->> 'record' AND e.embedded_at IS NULL)"
)

_NO_JOB_EMBEDS: Final = (
    "NOT EXISTS (SELECT 1 FROM cognate_jobs o "
    "INDEXED BY cognate_jobs_by_record WHERE o.organization_id = ?1 "
    "AND o.scope = ?2 AND o.record_id = json_each.value ->> 'record' "
    "AND +o.source <> 'delete' AND +o.status IN ('queued', 'running', 'failed'))"
)


def _record(record: RecordIs, collection: Collection) -> str:
    match record:
        case RecordIs.ANY:
            return "TRUE"
        case RecordIs.LIVE:
            return collection.has_record
        case RecordIs.GONE:
            return f"{_HAS_STATE} AND NOT {collection.has_record}"
        case RecordIs.WRITTEN:
            return (
                f'EXISTS (SELECT 1 FROM "{collection.sql_table}" r WHERE r.organization_id = ?1 '  # noqa: S608 - names of the schema
                "AND r.id = json_each.value ->> 'record' "
                "AND r.updated_at = json_each.value ->> 'token')"
            )
        case RecordIs.ABANDONED:
            return f"{collection.has_record} AND {_NEVER_EMBEDDED} AND {_NO_JOB_EMBEDS}"
