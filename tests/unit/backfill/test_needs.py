"""Which records a backfill has embedded again, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from cognate.backfill.needs import Selection, needs
from cognate.embedding.decide import content_hash, index_hash
from tests.stage.platform import CLAIMS

if TYPE_CHECKING:
    from cognate.ports import Row

HASH: Final = content_hash("a text", CLAIMS.model)
EMPTY: Final = content_hash("", CLAIMS.model)
RIGHT: Final = {
    "field_content": "a text",
    "field_story_id": "s1",
    "posted_text": None,
    "stored_content": HASH,
    "stored_index": index_hash(HASH, {"storyId": "s1"}),
    "queued": 0,
    "running": 0,
    "failed": 0,
    "changed": 0,
    "holds": 1,
}
NEW: Final = {**RIGHT, "stored_content": None, "stored_index": None}
NOTHING: Final = {**RIGHT, "field_content": " ", "stored_content": EMPTY, "stored_index": None}


@pytest.mark.parametrize(
    ("row", "chosen"),
    [
        # All is as it should be.
        (RIGHT, {"all"}),
        (NOTHING, {"all"}),
        # No job has looked at it; or one is about to.
        (NEW, {"missing", "all"}),
        ({**NEW, "field_content": " "}, {"missing", "all"}),
        ({**NEW, "queued": 1}, {"all"}),
        ({**NEW, "running": 1}, {"all"}),
        # Its text, its metadata or the model is another one.
        ({**RIGHT, "field_content": "another text"}, {"stale", "all"}),
        ({**RIGHT, "field_story_id": None}, {"stale", "all"}),
        ({**RIGHT, "stored_index": None}, {"stale", "all"}),
        ({**RIGHT, "stored_content": "old"}, {"stale", "all"}),
        ({**RIGHT, "field_content": ""}, {"stale", "all"}),
        ({**NOTHING, "field_content": "a text"}, {"stale", "all"}),
        ({**NOTHING, "stored_content": "old"}, {"stale", "all"}),
        # It was replaced by SQL, and its vectors are lost.
        ({**RIGHT, "holds": 0}, {"stale", "all"}),
        # It was changed and changed back: only a job can tell that all is as it should be.
        ({**RIGHT, "changed": 1}, {"stale", "all"}),
        # A job that waits reads what the record says; one that runs may have read it before.
        ({**RIGHT, "field_content": "another text", "queued": 1}, {"all"}),
        ({**RIGHT, "field_content": "another text", "running": 1}, {"stale", "all"}),
        # A failed one is replayed.
        ({**NEW, "failed": 1}, {"all"}),
        ({**RIGHT, "field_content": "another text", "failed": 1}, {"all"}),
    ],
)
def test_which_records_are_chosen(row: Row, chosen: set[str]) -> None:
    """By each selection."""
    assert {str(selection) for selection in Selection if needs(selection, CLAIMS, row)} == chosen
