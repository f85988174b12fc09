"""Work: what a record needs, from what is known of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cognate.chunking import chunk
from cognate.embedding.decide import Action, work_for
from cognate.embedding.fingerprint import content_hash, index_hash
from cognate.embedding.start import ClaimedJob, Task
from cognate.errors import DatabaseError, MetadataTooLarge, TextTooLong
from cognate.ids import vector_id
from cognate.text_limits import MAX_METADATA_BYTES, MAX_TEXT_CHARACTERS, text_problem
from tests.stage.platform import BASE, CLAIMS, long_text

if TYPE_CHECKING:
    from cognate.embedding.decide import Work

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


@pytest.mark.parametrize("text", ["word " * 20_001, "\uac00" * 50_000])
def test_a_text_that_cannot_be_embedded_is_its_own_error(text: str) -> None:
    """Too long, or of too many chunks: in the words of the door."""
    work = work_for(task(text=text))
    assert isinstance(work.error, TextTooLong)
    assert f"The text {text_problem(text, BASE)}." == str(work.error)


def test_a_text_that_the_door_lets_in_is_embedded() -> None:
    """Of the most characters that there may be."""
    text = "word " * (MAX_TEXT_CHARACTERS // 5)
    work = work_for(task(text=text))
    assert (text_problem(text, BASE), work.error) == (None, None)
    assert chunk(text, BASE.max_tokens) == work.chunks


@pytest.mark.parametrize("changes", [{}, {"text": "another text"}])
def test_metadata_that_no_vector_can_carry_is_its_own_error(changes: dict[str, Any]) -> None:
    """Written behind the API: judged with the organization and the table, which count too."""
    scope = {"organizationId": "org", "table": "claims"}
    room = MAX_METADATA_BYTES - len(json.dumps({**scope, "storyId": ""}, separators=(",", ":")))
    fits = work_for(task(metadata={"storyId": "s" * room}, **changes))
    assert fits.error is None
    work = work_for(task(metadata={"storyId": "s" * (room + 1)}, **changes))
    assert isinstance(work.error, MetadataTooLarge)
    assert "10,240 bytes" in str(work.error)


def test_the_metadata_of_what_goes_is_not_judged() -> None:
    """A record that was deleted loses its vectors, whatever it said."""
    assert work_for(task(exists=False, metadata={"storyId": "s" * 20_000})).error is None


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
