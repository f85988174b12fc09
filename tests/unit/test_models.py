"""The catalogue of models."""

from __future__ import annotations

import pytest

from cognate.errors import DefinitionError, InvalidInput
from cognate.models import (
    DEFAULT_MODEL,
    INDEX_BINDINGS,
    MODELS,
    EmbeddingModel,
    model_named,
    requested_model,
)


@pytest.mark.parametrize(
    ("name", "dimensions", "binding"),
    [
        # 384: one page of the vendor says 386, a typing error.
        ("@cf/baai/bge-small-en-v1.5", 384, "VECTORIZE_384"),
        ("@cf/baai/bge-base-en-v1.5", 768, "VECTORIZE"),
        ("@cf/baai/bge-large-en-v1.5", 1024, "VECTORIZE_1024"),
        ("@cf/baai/bge-m3", 1024, "VECTORIZE_1024"),
    ],
)
def test_each_model_has_its_dimensions_and_index(name: str, dimensions: int, binding: str) -> None:
    """The catalogue has these four models and no others."""
    assert (model_named(name).dimensions, model_named(name).index_binding) == (dimensions, binding)
    assert len(MODELS) == 4


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_can_be_used(model: EmbeddingModel) -> None:
    """It has an index, takes a hundred texts of 512 tokens, and bge is pooled as it was trained."""
    assert model.dimensions in INDEX_BINDINGS
    assert (model.max_texts, model.max_tokens) == (100, 512)
    assert model.pooling == (None if model.name.endswith("m3") else "cls")


def test_the_default_is_in_the_catalogue() -> None:
    """A definition without a model uses the default model."""
    assert DEFAULT_MODEL in MODELS


def test_an_unknown_model_is_told_which_there_are() -> None:
    """The message lists the models of the catalogue."""
    with pytest.raises(DefinitionError, match=r"bge-small-en-v1.5.*bge-m3"):
        model_named("@cf/baai/bge-tiny")


@pytest.mark.parametrize("name", MODELS)
def test_a_request_may_name_any_model(name: str) -> None:
    """A request without a model gets the default one."""
    assert (requested_model(name).name, requested_model(None).name) == (name, DEFAULT_MODEL)


def test_a_request_for_an_unknown_model_is_refused() -> None:
    """The error has the pointer to the model and lists the known names."""
    with pytest.raises(InvalidInput, match=r"/model: must be one of .*bge-m3"):
        requested_model("@cf/baai/bge-tiny")
