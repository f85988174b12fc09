"""Which jobs a change of records brings with it: what it embeds, indexes again, or removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.jobs.queue import Wanted, queue_statements, release_statement
from cognate.times import to_iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cognate.ports import Statement
    from cognate.principal import OrganizationId
    from cognate.records.plan import Plan
    from cognate.schema import Table


def job_statements(
    table: Table, organization_id: OrganizationId, plans: Sequence[Plan], now: datetime
) -> list[Statement]:
    """Queue what must be embedded, indexed or removed; nothing for what was not written."""
    collection, embeddings = table.collection, table.embeddings
    if collection is None or embeddings is None:
        return []
    wanted: list[Wanted] = []
    removed: list[Wanted] = []
    sources: set[str] = set()
    for item in plans:
        if item.columns is None:
            removed.append(Wanted(item.id))
        elif item.version is None and embeddings.on_insert:
            wanted.append(Wanted(item.id))
            sources.add("insert")
        elif item.version is not None and item.changed & embeddings.watched:
            wanted.append(Wanted(item.id))
            sources.add("update")
        elif item.version is not None and item.changed & frozenset(embeddings.metadata):
            wanted.append(Wanted(item.id, embeds=False, is_written=False))
            sources.add("update")
    statements: list[Statement] = []
    moment = to_iso(now)
    if wanted:
        # The very write that was made: where it lost a race, the row has another time.
        statements += queue_statements(
            collection,
            organization_id,
            wanted,
            source=sources.pop() if len(sources) == 1 else "batch",
            now=now,
            condition=(
                f'EXISTS (SELECT 1 FROM "{table.name}" r WHERE r.organization_id = ?1 '  # noqa: S608 - names of the schema
                "AND r.id = json_each.value ->> 'record' "
                "AND r.updated_at = json_each.value ->> 'token')"
            ),
            token=moment,
        )
    if removed:
        statements += queue_statements(
            collection,
            organization_id,
            removed,
            source="delete",
            now=now,
            condition=(
                "EXISTS (SELECT 1 FROM cognate_embeddings g WHERE g.organization_id = ?1 "  # noqa: S608 - names of the schema
                "AND g.scope = ?2 AND g.record_id = json_each.value ->> 'record') "
                f"AND NOT {collection.live_record}"
            ),
        )
    return [*statements, release_statement(organization_id, now)] if statements else []
