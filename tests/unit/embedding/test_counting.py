"""Counting the calls of D1."""

from __future__ import annotations

from cognate.embedding.counting import CountingDatabase
from cognate.ports import Statement
from tests.stage.platform import Stage


async def test_a_batch_of_statements_is_one_call() -> None:
    """Whatever their number; and what they answer is handed on."""
    counted = CountingDatabase(Stage().local.database)
    answers = await counted.batch([Statement("SELECT 1 AS one"), Statement("SELECT 2 AS two")])

    assert answers == [[{"one": 1}], [{"two": 2}]]
    assert counted.calls == 1
