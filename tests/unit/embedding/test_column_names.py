"""Columns may have names that the SQL of Cognate uses too."""

from __future__ import annotations

import pytest

from cognate.backfill.backfills import start_backfill
from cognate.backfill.needs import Selection
from cognate.ports import Statement
from cognate.schema import Cognate, Embeddings, Record, Similarity, Table
from cognate.search import search
from tests.stage.platform import ACME, Stage


class Measure(Record):
    """Return a table whose columns have this name."""

    value: str
    key: str | None = None
    type: str | None = None
    path: str | None = None
    scope: str | None = None
    order: str | None = None
    record_id: str | None = None
    gone: str | None = None


@pytest.mark.parametrize("name", ["order", "group", "r", "s", "t", "e"])
async def test_a_table_may_use_any_name(name: str) -> None:
    """Records are embedded, changed, searched and backfilled, whatever a column is called."""
    fields = ["key", "type", "path", "scope", "order", "record_id", "gone"]
    measures = Table(name, Measure, embeddings=Embeddings(fields=["value"], metadata=fields))
    similarity = Similarity("measureSimilarity", measures)
    app = Cognate(tables=[measures], similarities=[similarity])
    columns = ", ".join(f'"{field}" TEXT' for field in ["value", *fields])
    stage = Stage(app)
    await stage.local.database.batch(
        [
            Statement(
                f'CREATE TABLE "{name}" (organization_id TEXT, id TEXT, {columns}, '
                "embedding BLOB, PRIMARY KEY (organization_id, id))"
            )
        ]
    )
    collection = app.collections[name]
    for value, key in (("a text", "one"), ("a text", "two"), ("another text", "two")):
        await stage.put(collection, ACME, "r1", value=value, key=key)
        await stage.settle()
        assert await stage.discrepancies() == []
        for later in (0, 1000):
            stage.local.clock.advance(later)
            found = await search(stage.platform, ACME, similarity, text=value, filter={"key": key})
            assert [result.id for result in found.results] == ["r1"]
    await stage.rows(f"UPDATE \"{name}\" SET value = 'by SQL', gone = 'yes'")  # noqa: S608 - of this test
    await start_backfill(stage.platform, ACME, collection, Selection.STALE, None)
    await stage.settle()
    assert await stage.discrepancies() == []
