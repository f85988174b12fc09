"""The options of `Embeddings` that need no knowledge of the record."""

from __future__ import annotations

from typing import Any

import pytest

from cognate.errors import DefinitionError
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.schema import Embeddings


def test_the_defaults() -> None:
    """The defaults are those that the documentation states."""
    made = Embeddings(fields=["content"])
    assert made == Embeddings(
        fields=("content",),
        model=DEFAULT_MODEL,
        on_insert=True,
        on_update=True,
        embedding_column="embedding",
        separator=" ",
        metadata=(),
    )
    assert made.embedding_model is MODELS["@cf/baai/bge-base-en-v1.5"]


@pytest.mark.parametrize(
    "options",
    [
        {"fields": []},
        {"fields": "content"},
        {"fields": ["content", 3]},
        {"fields": ["content", "content"]},
        {"metadata": "content"},
        {"metadata": ["a", "a"]},
        {"on_update": ["a", "a"]},
        {"on_update": "content"},
        {"model": "gpt"},
        {"embedding_column": "Embedding"},
        {"embedding_column": "id"},
        {"embedding_column": "organization_id"},
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    """A single text is not taken as a list of its letters."""
    with pytest.raises(DefinitionError):
        Embeddings(**{"fields": ["content"], **options})
