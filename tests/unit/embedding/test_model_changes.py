"""A table gets a model of another dimension: the index of the older model is emptied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from cognate.backfill.backfills import start_backfill
from cognate.backfill.needs import Selection
from cognate.ports import Platform
from tests.stage.faults import FailingDatabase
from tests.stage.platform import ACME, CLAIMS, OTHER_MODEL, SCHEMA, Stage, long_text
from tests.unit.embedding.test_finish import again, worker_of

if TYPE_CHECKING:
    from cognate.schema import Cognate

OLD: Final = CLAIMS.model.index_binding
NEW: Final = OTHER_MODEL.collections["claims"].model.index_binding


def _use(stage: Stage, app: Cognate) -> None:
    """Deploy another schema."""
    stage.app, stage.collections = app, app.collections


def _without(stage: Stage, binding: str) -> None:
    """Deploy without a binding."""
    local = stage.local
    stage.platform = Platform(
        embedder=local.embedder,
        indexes={name: index for name, index in local.indexes.items() if name != binding},
        database=local.database,
        auth_database=local.database,
        queue=local.queue,
        clock=local.clock,
    )


async def _backfill(stage: Stage, selection: Selection = Selection.STALE) -> None:
    collection = stage.collections["claims"]
    await start_backfill(stage.platform, ACME, collection, selection, None)
    await stage.drain()


async def _bindings(stage: Stage, record_id: str = "r1") -> list[str]:
    found: list[str] = json.loads((await stage.state(ACME, record_id))["index_bindings"])
    return found


def _count(stage: Stage, binding: str) -> int:
    return sum(1 for _ in stage.local.bindings.indexes[binding].entries())


async def _embedded(stage: Stage) -> None:
    """Embed three records, one of them long, and deploy the schema with another model."""
    await stage.write_many(ACME, {"r1": long_text(3), "r2": "a text", "r3": "another text"})
    await stage.settle()
    assert await _bindings(stage) == [OLD]
    _use(stage, OTHER_MODEL)


async def test_a_backfill_moves_vectors_to_the_other_index() -> None:
    """A backfill moves all vectors to the index of the new model."""
    stage = Stage()
    await _embedded(stage)
    await _backfill(stage)

    assert await stage.discrepancies() == []
    assert (_count(stage, OLD), _count(stage, NEW)) == (0, 5)
    assert await _bindings(stage) == [NEW]


@pytest.mark.parametrize("by", ["api", "sql"])
async def test_a_deletion_reaches_the_older_index(by: str) -> None:
    """A deletion removes vectors from the older index too."""
    stage = Stage()
    await _embedded(stage)
    if by == "api":
        await stage.delete(ACME, "r1")
    else:
        await stage.rows("DELETE FROM claims WHERE id = 'r1'")
        await stage.sweep()
    await stage.drain()

    assert (_count(stage, OLD), _count(stage, NEW)) == (2, 0)
    states = await stage.rows("SELECT record_id FROM cognate_embeddings ORDER BY record_id")
    assert [row["record_id"] for row in states] == ["r2", "r3"]


async def test_a_record_that_becomes_blank_leaves_the_older_index() -> None:
    """A record that becomes blank is removed from the older index."""
    stage = Stage()
    await _embedded(stage)
    await stage.write(ACME, "r1", " ")
    await stage.drain()
    assert _count(stage, OLD) == 2


async def test_an_index_that_fails_is_left_by_the_next_try() -> None:
    """If the older index fails, the next try removes the vectors."""
    stage = Stage()
    await _embedded(stage)
    stage.fault("deleteByIds", binding=OLD)
    await _backfill(stage)
    assert sorted(await _bindings(stage)) == sorted([OLD, NEW])

    await stage.settle()

    assert await stage.discrepancies() == []
    assert await _bindings(stage) == [NEW]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("call", [2, 3])
async def test_a_batch_that_dies_forgets_no_index(call: int, *, back: bool) -> None:
    """A consumer that dies leaves a note of every index that it may have written."""
    stage = Stage()
    await _embedded(stage)
    await start_backfill(stage.platform, ACME, stage.collections["claims"], Selection.STALE, None)
    await stage.deliver()
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({call})))
    await stage.deliver()
    await stage.delete(ACME, "r1")
    stage.platform = stage.local
    if back:
        _use(stage, SCHEMA)
    await stage.settle()
    await _backfill(stage)
    await stage.settle()

    assert await stage.discrepancies() == []


async def test_a_binding_that_is_gone_blocks_nothing() -> None:
    """A missing binding of an older index delays no job; a later backfill empties the index."""
    stage = Stage()
    await _embedded(stage)
    _without(stage, OLD)
    await stage.delete(ACME, "r3")
    await _backfill(stage)
    await stage.drain()
    assert set(await stage.jobs()) == {"done"}
    assert _count(stage, NEW) == 4
    assert await _bindings(stage) == [OLD, NEW]
    assert await _bindings(stage, "r3") == [OLD]
    jobs = len(await stage.jobs())
    await _backfill(stage)
    assert len(await stage.jobs()) == jobs

    stage.platform = stage.local
    await _backfill(stage, Selection.ALL)
    await stage.settle()

    assert await stage.discrepancies() == []
    assert (_count(stage, OLD), await _bindings(stage)) == (0, [NEW])
    assert await stage.rows("SELECT 1 FROM cognate_embeddings WHERE record_id = 'r3'") == []


@pytest.mark.parametrize("embedded", [True, False])
async def test_the_model_may_change_back(*, embedded: bool) -> None:
    """The model may change back, before or after records were embedded."""
    stage = Stage()
    await _embedded(stage)
    if embedded:
        await _backfill(stage)
    _use(stage, SCHEMA)
    await _backfill(stage)
    await stage.settle()
    assert await stage.discrepancies() == []
    assert (_count(stage, OLD), _count(stage, NEW)) == (5, 0)


async def test_a_consumer_of_the_older_deployment_may_be_last() -> None:
    """A consumer of the older deployment that is last leaves nothing wrong behind."""
    stage = Stage()
    await stage.write(ACME, "r1", "a text")
    older, deliveries = worker_of(stage)
    await older.step()
    _use(stage, OTHER_MODEL)
    await stage.consume(again(deliveries))
    assert await _bindings(stage) == [NEW]
    await older.finish()

    await _backfill(stage)
    await stage.settle()

    assert await stage.discrepancies() == []
    assert _count(stage, OLD) == 0
