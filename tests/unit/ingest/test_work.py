"""Work: what a record needs, from what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cognate.chunking import chunk
from cognate.errors import DatabaseError, TextTooLong
from cognate.fingerprint import content_hash, index_hash
from cognate.ids import vector_id
from cognate.ingest.claim import ClaimedJob, Task
from cognate.ingest.work import MAX_CHUNKS, Action, work_for
from tests.unit.core.stage import BASE, CLAIMS, long_text

if TYPE_CHECKING:
    from cognate.ingest.work import Work

TEXT = "a text"
HASH = content_hash(TEXT, BASE)
INDEX_HASH = index_hash(HASH, {"storyId": "s"})


def task(**changes: Any) -> Task:
    """A record that is embedded and indexed as it should be, but for the changes."""
    fields: dict[str, Any] = {
        "collection": CLAIMS,
        "organization_id": "org",
        "record_id": "r1",
        "vector_key": "key",
        "jobs": [ClaimedJob("job_1", "write", 0, 1)],
        "embeds": True,
        "exists": True,
        "text": TEXT,
        "metadata": {"storyId": "s"},
        "revision": 1,
        "stored_hash": HASH,
        "stored_index_hash": INDEX_HASH,
        "stored_chunks": [[0, 6]],
        "max_chunks": 1,
        "is_uncertain": False,
    }
    return Task(**{**fields, **changes})


def numbers(work: Work) -> list[int]:
    """The chunk numbers whose vectors are to go."""
    return [int(identifier.removeprefix("key.")) for identifier in work.surplus_ids]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Action.NOTHING),
        # Never embedded.
        ({"stored_hash": None, "stored_index_hash": None, "stored_chunks": []}, Action.EMBED),
        # Another text, or the same by another model.
        ({"text": "another text"}, Action.EMBED),
        # Other metadata: no call of the model.
        ({"metadata": {"storyId": "t"}}, Action.REINDEX),
        ({"metadata": {}}, Action.REINDEX),
        # What the index was last given is not known.
        ({"stored_index_hash": None}, Action.REINDEX),
        ({"exists": False}, Action.REMOVE),
        ({"text": " \n"}, Action.REMOVE),
        # Only the metadata is to be followed, though the text has changed too.
        ({"embeds": False, "text": "another text"}, Action.NOTHING),
        (
            {"embeds": False, "text": "another text", "metadata": {"storyId": "t"}},
            Action.REINDEX,
        ),
        # There is nothing of it that could be followed.
        ({"embeds": False, "stored_hash": None}, Action.NOTHING),
    ],
)
def test_what_a_record_needs(changes: dict[str, Any], expected: Action) -> None:
    """The least that makes index and stored vectors agree with it."""
    assert work_for(task(**changes)).action is expected


def test_a_text_with_too_many_chunks_is_its_own_error() -> None:
    """A row could not hold their vectors; the message says what to change."""
    text = "word " * 600 * MAX_CHUNKS
    work = work_for(task(text=text))
    assert isinstance(work.error, TextTooLong)
    assert "Split it" in str(work.error)
    assert len(chunk(text, BASE.max_tokens)) > MAX_CHUNKS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        # Shorter: the stored ones beyond go.
        ({"text": "new", "stored_chunks": [[0, 1]] * 4, "max_chunks": 9}, [1, 2, 3]),
        # Shorter, and the index unknown: all that may ever have been there.
        (
            {
                "text": "new",
                "stored_chunks": [[0, 1]] * 4,
                "max_chunks": 9,
                "stored_index_hash": None,
            },
            [1, 2, 3, 4, 5, 6, 7, 8],
        ),
        # Longer: nothing goes.
        ({"text": long_text(3)}, []),
        # Gone or empty: all, whatever is known.
        ({"exists": False, "max_chunks": 3}, [0, 1, 2]),
        ({"text": "", "stored_chunks": [], "max_chunks": 2}, [0, 1]),
    ],
)
def test_which_vectors_are_surplus(changes: dict[str, Any], expected: list[int]) -> None:
    """What a shorter text leaves would stay searchable for ever."""
    assert numbers(work_for(task(**changes))) == expected


def test_surplus_ids_are_the_records_own() -> None:
    """They share its key."""
    assert work_for(task(exists=False)).surplus_ids == [vector_id("key", 0)]


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
    """Whether an entry may have been written for this revision, and whether nobody knows."""
    work = replace(work_for(task(is_uncertain=uncertain)), wrote_index=wrote)
    work.error = DatabaseError() if failed else None
    assert (work.may_have_written, work.leaves_index_unsure) == expected
