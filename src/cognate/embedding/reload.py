"""Vectors that are in D1 already, for records of which only the index entry must be written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cognate.chunking import chunk
from cognate.embedding.decide import Action, Work
from cognate.embedding.embed import Placed
from cognate.ports import FLOAT32_BYTES, Statement, StoredVectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Database


async def load_stored(database: Database, works: Sequence[Work]) -> None:
    """Give each work to be re-indexed the vectors that D1 has; one call for all of them.

    A work whose column does not hold what its state row says is embedded again.

    Raises:
        DatabaseError: D1 failed.
    """
    reindexed = [work for work in works if work.action is Action.REINDEX]
    if not reindexed:
        return
    collections = {work.task.collection.scope: work.task.collection for work in reindexed}
    statements = [
        Statement(
            "SELECT t.organization_id, t.id, "  # noqa: S608 - names of the schema
            f'hex(t."{collection.embedding_column}") AS vectors '
            f'FROM json_each(?1) JOIN "{collection.sql_table}" t '
            "ON t.organization_id = json_each.value ->> 'organization' "
            "AND t.id = json_each.value ->> 'record'",
            (
                json.dumps(
                    [
                        {"organization": work.task.organization_id, "record": work.task.record_id}
                        for work in reindexed
                        if work.task.collection is collection
                    ]
                ),
            ),
        )
        for collection in collections.values()
    ]
    answers = await database.batch(statements)
    stored = {
        (scope, row["organization_id"], row["id"]): bytes.fromhex(row["vectors"])
        for scope, rows in zip(collections, answers, strict=True)
        for row in rows
    }
    for work in reindexed:
        task = work.task
        data = stored.get((task.collection.scope, task.organization_id, task.record_id), b"")
        dimensions = task.collection.model.dimensions
        if work.chunks and len(data) == len(work.chunks) * dimensions * FLOAT32_BYTES:
            vectors = StoredVectors(data, dimensions)
            work.placed = [Placed(vectors, number) for number in range(len(work.chunks))]
        else:
            work.action = Action.EMBED
            work.chunks = chunk(task.text, task.collection.model.max_tokens)
