"""Collections: the vectors that may be compared, and the parts of a row that are embedded."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.errors import NotFound
from cognate.models import MODELS
from cognate.schema import Cognate, Embeddings, Record, Similarity, Table
from cognate.schema.collections import POSTED_TEXTS
from tests.stage.platform import ARTICLES, BASE, CLAIMS, SCHEMA


class Note(Record):
    """Fields of every metadata type."""

    text: str
    is_public: bool = False
    views: int = 0
    story_id: str | None = None


notes = Table(
    "notes",
    Note,
    embeddings=Embeddings(fields=["text"], metadata=["is_public", "views", "story_id", "text"]),
)
plain = Table("plain", Note)


def test_a_schema_has_a_collection_for_each_table_and_each_model_of_texts() -> None:
    """Each model has its own collection of texts without a table."""
    scopes = [item.scope for item in Cognate(tables=[notes, plain]).collections]
    assert scopes == ["notes", *(f"_texts:{name}" for name in MODELS)]


def test_texts_belong_to_no_table() -> None:
    """Their scope cannot be the name of a table."""
    assert (POSTED_TEXTS[BASE.name].table_name, CLAIMS.table_name) == (None, "claims")


def test_a_table_without_embeddings_has_none() -> None:
    """It has no vectors to compare."""
    assert plain.collection is None


@pytest.mark.parametrize("name", ["nothing", "_texts:@cf/baai/bge-base-en-v1.5"])
def test_a_table_that_is_not_there_is_not_found(name: str) -> None:
    """The message lists the tables and not the texts."""
    with pytest.raises(NotFound, match=r"The tables are: claims, articles\.$"):
        SCHEMA.collection(name)


def test_a_table_that_embeds_nothing_is_not_found() -> None:
    """The message names it."""
    with pytest.raises(NotFound, match=r"^The table 'plain' has no embeddings\.$"):
        Cognate(tables=[plain]).collection("plain")


def test_a_schema_makes_its_collections_once() -> None:
    """A table, its services and its schema share one collection."""
    service = Similarity("noteSimilarity", notes)
    app = Cognate(tables=[notes], similarities=[service])

    assert app.collections["notes"] is notes.collection
    assert app.collection("notes") is notes.collection
    assert service.collection is notes.collection


@pytest.mark.parametrize("scope", [None, 3, ["claims"], "nothing"])
def test_an_odd_scope_is_none(scope: object) -> None:
    """A message may hold any value as its scope."""
    assert SCHEMA.collections.get(scope) is None


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("Title", "Body", "Title\n\nBody"),
        ("Title", None, "Title"),
        (" ", "Body", "Body"),
        (None, " \n", ""),
        # Written behind the API, into a column without text affinity.
        (7, "Body", "7\n\nBody"),
        # A blob, as D1 answers it.
        ([1, 2], "Body", "Body"),
    ],
)
def test_the_text_of_a_row_is_its_fields_that_say_something(
    title: Any,
    body: str | None,
    expected: str,
) -> None:
    """An unexpected value does not raise, because an error would stop its whole batch."""
    assert ARTICLES.text_of({"title": title, "body": body}) == expected


def test_metadata_has_json_names_and_types() -> None:
    """The booleans of D1 are 0 and 1, and null values are left out."""
    collection = notes.collection
    assert collection is not None
    row = {"is_public": 1, "views": 3, "story_id": None, "text": "t"}
    assert collection.metadata_of(row) == {"isPublic": True, "views": 3, "text": "t"}
    assert collection.columns == ("text", "is_public", "views", "story_id")


def test_some_of_the_collections_can_be_taken() -> None:
    """The other collections are then unknown."""
    whole = SCHEMA.collections

    part = whole.only(["claims"])

    assert list(part) == [whole["claims"]]
    assert part.get("articles") is None
