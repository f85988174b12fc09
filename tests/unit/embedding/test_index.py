"""Write the vectors of records to the index, and delete surplus ones."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.chunking import Chunk
from cognate.embedding.decide import Action, decide_record
from cognate.embedding.index import Indexed
from cognate.errors import DatabaseError
from cognate.ids import vector_id
from tests.stage.faults import FailingDatabase
from tests.stage.platform import ACME, GLOBEX, Stage, long_text
from tests.unit.embedding.test_decide import record


async def test_short_texts_cost_no_reservation_and_long_ones_one() -> None:
    """A batch makes two calls of D1, and a third one if a text got longer."""
    stage = Stage()
    database = FailingDatabase(stage.local.database)
    stage.with_database(database)
    found = []
    for text in ("a text", long_text(3), long_text(2), long_text(3)):
        await stage.write(ACME, "r1", text)
        before = database.batches
        await stage.deliver()
        found.append(database.batches - before)
    assert await stage.discrepancies() == []
    assert found == [2, 3, 2, 2]


async def test_chunks_are_reserved_before_they_are_written() -> None:
    """Vectors are reserved before they are written, so a later deletion finds all of them."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(3))
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({2})))
    await stage.deliver()
    # Nothing was reserved, so nothing was written.
    assert stage.indexed() == {}
    stage.with_database(FailingDatabase(stage.local.database, refused=frozenset({4})))
    stage.local.clock.advance(1000)
    await stage.deliver()
    # Reserved and written, and the end of it was never stored.
    assert len(stage.indexed()) == 3
    assert (await stage.state(ACME, "r1"))["max_chunks"] == 3
    await stage.delete(ACME, "r1")
    await stage.settle()
    assert stage.indexed() == {}


async def test_entries_carry_organization_and_table() -> None:
    """An index entry has the organization, the table and the metadata, and no text."""
    stage = Stage()
    for organization_id in (ACME, GLOBEX):
        await stage.write(organization_id, "r1", "a text", "s1")
    await stage.drain()
    assert sorted(stage.indexed().values(), key=str) == [
        {"organizationId": "org_acme", "table": "claims", "storyId": "s1"},
        {"organizationId": "org_globex", "table": "claims", "storyId": "s1"},
    ]


async def test_a_record_that_the_index_refuses_fails_alone() -> None:
    """A record that the index refuses fails, and its neighbours are written."""
    stage = Stage()
    await stage.write_many(ACME, {f"r{number}": "a text" for number in range(20)})
    await stage.write(ACME, "refused", "a text", story_id="the odd one")
    broken_rule = "VECTOR_UPSERT_ERROR (code = 40016): metadata must not exceed 10240 bytes"
    stage.fault("upsert", message=broken_rule, count=100, match="the odd one")
    await stage.drain()
    await stage.settle()
    assert sorted(await stage.jobs()) == ["done"] * 20 + ["failed"]
    assert await stage.discrepancies() == []
    [failed] = await stage.rows("SELECT * FROM cognate_jobs WHERE status = 'failed'")
    assert (failed["record_id"], failed["error_code"]) == ("refused", "VECTORIZE_REJECTED")
    assert "10240" not in failed["error_message"]


async def test_a_delete_of_many_vectors_goes_through() -> None:
    """A record with more vectors than one call deletes is deleted completely."""
    stage = Stage()
    await stage.write(ACME, "r1", long_text(110))
    await stage.settle()
    assert len(stage.indexed()) == 110
    await stage.delete(ACME, "r1")
    await stage.drain()
    assert stage.indexed() == {}
    assert stage.calls("VECTORIZE.deleteByIds") == 2


@pytest.mark.parametrize(
    ("uncertain", "wrote", "failed", "expected"),
    [
        # It went well: what it wrote is what D1 says.
        (True, True, False, (True, False)),
        (True, False, False, (False, False)),
        # It failed after a call of the index, in this try or in one before.
        (False, True, True, (True, True)),
        (True, False, True, (True, True)),
        # It failed before.
        (False, False, True, (False, False)),
    ],
)
def test_what_the_index_may_hold(
    *, uncertain: bool, wrote: bool, failed: bool, expected: tuple[bool, bool]
) -> None:
    """A record knows whether it may have written to the index, and whether that is unsure."""
    indexed = Indexed(
        record(is_uncertain=uncertain),
        Action.NOTHING,
        wrote_index=wrote,
        error=DatabaseError() if failed else None,
    )
    assert (indexed.may_have_written, indexed.leaves_index_unsure) == expected


def numbers(item: Indexed) -> list[int]:
    """Return the chunk numbers whose vectors are surplus."""
    return [int(identifier.removeprefix("key.")) for identifier in item.surplus_ids]


def indexed(**changes: Any) -> Indexed:
    """Make the record of `test_decide` as the index step gets it."""
    return Indexed(**vars(decide_record(record(**changes))))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        # Shorter: the stored ones beyond go.
        ({"text": "new", "stored_chunks": (Chunk(0, 1),) * 4, "max_chunks": 9}, [1, 2, 3]),
        # Shorter, and the index unknown: all that may ever have been there.
        (
            {
                "text": "new",
                "stored_chunks": (Chunk(0, 1),) * 4,
                "max_chunks": 9,
                "stored_index_hash": None,
            },
            [1, 2, 3, 4, 5, 6, 7, 8],
        ),
        # Longer: nothing goes.
        ({"text": long_text(3)}, []),
        # Gone or empty: all, whatever is known.
        ({"exists": False, "max_chunks": 3}, [0, 1, 2]),
        ({"text": "", "stored_chunks": (), "max_chunks": 2}, [0, 1]),
    ],
)
def test_which_vectors_are_surplus(changes: dict[str, Any], expected: list[int]) -> None:
    """Vectors of chunks that a text no longer has are surplus."""
    assert numbers(indexed(**changes)) == expected


def test_surplus_ids_are_the_records_own() -> None:
    """Surplus ids begin with the key of the record."""
    assert indexed(exists=False).surplus_ids == [vector_id("key", 0)]
