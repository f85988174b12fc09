"""Store texts that other Workers send to the queue, and their jobs, when they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.embedding.revisions import arrive_late_statement, arrive_statement
from cognate.ids import vector_key
from cognate.jobs.messages import ForeignText, Malformed
from cognate.jobs.run import arrive_late_jobs_statement, arrive_statements
from cognate.sql import json_groups
from cognate.texts.posted import store_foreign_statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.jobs.messages import Received
    from cognate.ports import Statement


def arrival_statements(received: Sequence[Received], now: datetime) -> list[Statement]:
    """Store the texts and jobs of messages that have no job yet.

    A message that arrives twice makes one job. A malformed message makes a failed job.
    """
    return [
        statement
        for payload in json_groups(_rows(received))
        for statement in (
            store_foreign_statement(payload, now),
            arrive_statement(payload, now),
            *arrive_statements(payload, now),
        )
    ]


def late_arrival_statements(received: Sequence[Received], now: datetime) -> list[Statement]:
    """Store the texts and jobs of messages that became dead letters before they got a job.

    Such a text counts from now on. If an open job of its record exists, the text does not replace
    what that job embeds.
    """
    texts = [item for item in received if isinstance(item.message, ForeignText)]
    return [
        statement
        for payload in json_groups(_rows(texts))
        for statement in (
            store_foreign_statement(payload, now),
            arrive_late_statement(payload, now),
            arrive_late_jobs_statement(payload, now),
        )
    ]


def _rows(received: Sequence[Received]) -> list[dict[str, Any]]:
    return [row for item in received if (row := _row(item)) is not None]


def _row(received: Received) -> dict[str, Any] | None:
    match received.message:
        case ForeignText() as text:
            scope, record_id = text.collection.scope, text.record_id or received.job_id
            return {
                "job": received.job_id,
                "organization": text.organization_id,
                "scope": scope,
                "record": record_id,
                "is_text": text.record_id is None,
                "key": vector_key(text.organization_id, scope, record_id),
                "model": text.collection.model.name,
                "binding": text.collection.model.index_binding,
                "content": text.content,
                "status": "running",
            }
        case Malformed() as malformed:
            return {
                "job": received.job_id,
                "organization": malformed.organization_id,
                "scope": "",
                "status": "failed",
                "code": "MESSAGE_MALFORMED",
                "message": f"The queue message was not understood: {malformed.reason}.",
            }
        case _:
            return None
