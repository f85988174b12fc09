"""Decide what a record needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cognate.chunking import Chunk, chunk
from cognate.embedding.decide import Action, RecordState, content_hash, decide_record, index_hash
from cognate.errors import MetadataTooLarge, TextTooLong
from cognate.jobs.run import StartedJob
from cognate.text_limits import MAX_METADATA_BYTES, MAX_TEXT_CHARACTERS, text_problem
from tests.stage.platform import BASE, CLAIMS

TEXT = "a text"
HASH = content_hash(TEXT, BASE)
INDEX_HASH = index_hash(HASH, {"storyId": "s"})


def record(**changes: Any) -> RecordState:
    """Make a record that is up to date, except for the changes."""
    fields: dict[str, Any] = {
        "collection": CLAIMS,
        "organization_id": "org",
        "record_id": "r1",
        "vector_key": "key",
        "jobs": (StartedJob("org", "claims", "job_1", "write", 0, 1),),
        "embeds": True,
        "exists": True,
        "text": TEXT,
        "metadata": {"storyId": "s"},
        "revision": 1,
        "stored_hash": HASH,
        "stored_index_hash": INDEX_HASH,
        "stored_chunks": (Chunk(0, 6),),
        "max_chunks": 1,
        "is_uncertain": False,
    }
    return RecordState(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Action.NOTHING),
        # Never embedded.
        ({"stored_hash": None, "stored_index_hash": None, "stored_chunks": ()}, Action.EMBED),
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
    """A record gets the smallest action that makes D1 and the index agree with it."""
    assert decide_record(record(**changes)).action is expected


@pytest.mark.parametrize("text", ["word " * 20_001, "\uac00" * 50_000])
def test_a_text_that_cannot_be_embedded_is_its_own_error(text: str) -> None:
    """A text that is too long has the error that the API gives."""
    decided = decide_record(record(text=text))
    assert isinstance(decided.error, TextTooLong)
    assert f"The text {text_problem(text, BASE)}." == str(decided.error)


def test_a_text_that_the_door_lets_in_is_embedded() -> None:
    """A text of the most characters that the API accepts is embedded."""
    text = "word " * (MAX_TEXT_CHARACTERS // 5)
    decided = decide_record(record(text=text))
    assert (text_problem(text, BASE), decided.error) == (None, None)
    assert tuple(chunk(text, BASE.max_tokens)) == decided.chunks


@pytest.mark.parametrize("changes", [{}, {"text": "another text"}])
def test_metadata_that_no_vector_can_carry_is_its_own_error(changes: dict[str, Any]) -> None:
    """Metadata that is too large is an error; the organization and the table count too."""
    scope = {"organizationId": "org", "table": "claims"}
    room = MAX_METADATA_BYTES - len(json.dumps({**scope, "storyId": ""}, separators=(",", ":")))
    fits = decide_record(record(metadata={"storyId": "s" * room}, **changes))
    assert fits.error is None
    decided = decide_record(record(metadata={"storyId": "s" * (room + 1)}, **changes))
    assert isinstance(decided.error, MetadataTooLarge)
    assert "10,240 bytes" in str(decided.error)


def test_the_metadata_of_what_goes_is_not_judged() -> None:
    """A deleted record loses its vectors, even if its metadata is too large."""
    assert decide_record(record(exists=False, metadata={"storyId": "s" * 20_000})).error is None
