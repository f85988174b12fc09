"""Hashes that say whether stored vectors are up to date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cognate import models
from cognate.chunking import CHUNKER_VERSION
from cognate.embedding.decide import content_hash, index_hash
from cognate.models import MODELS
from tests.stage.platform import BASE

if TYPE_CHECKING:
    import pytest


def test_every_model_has_its_own_fingerprint() -> None:
    """Each model has a fingerprint of its own."""
    assert len({model.fingerprint for model in MODELS.values()}) == len(MODELS)


def test_pooling_and_dimension_are_part_of_it() -> None:
    """Pooling and dimensions are part of the fingerprint."""
    others = [replace(BASE, pooling="mean"), replace(BASE, dimensions=384)]
    assert BASE.fingerprint not in [other.fingerprint for other in others]


def test_the_chunker_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version of the chunker is part of the fingerprint."""
    before = BASE.fingerprint
    monkeypatch.setattr(models, "CHUNKER_VERSION", CHUNKER_VERSION + 1)
    assert replace(BASE).fingerprint != before


def test_the_same_text_has_another_hash_for_another_model() -> None:
    """The content hash depends on the text and on the model."""
    assert content_hash("text", BASE) != content_hash("text", replace(BASE, pooling="mean"))
    assert content_hash("text", BASE) != content_hash("text ", BASE)


def test_half_a_surrogate_pair_can_be_hashed() -> None:
    """A text with half a surrogate pair can be hashed."""
    assert len(content_hash("\ud83d", BASE)) == 64


def test_the_index_hash_knows_text_and_metadata() -> None:
    """The index hash depends on the values and types of metadata, and not on their order."""
    known = index_hash("a", {"x": 1, "y": "b"})
    assert index_hash("a", {"y": "b", "x": 1}) == known
    others = [index_hash("b", {"x": 1, "y": "b"}), index_hash("a", {"x": "1", "y": "b"})]
    assert known not in [*others, index_hash("a", {"x": 1})]
