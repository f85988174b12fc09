"""Hashes: what makes stored vectors wrong, and what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cognate import models
from cognate.chunking import CHUNKER_VERSION
from cognate.embedding.fingerprint import content_hash, index_hash
from cognate.models import MODELS
from tests.stage.platform import BASE

if TYPE_CHECKING:
    import pytest


def test_every_model_has_its_own_fingerprint() -> None:
    """Vectors of two models are never compared."""
    assert len({model.fingerprint for model in MODELS.values()}) == len(MODELS)


def test_pooling_and_dimension_are_part_of_it() -> None:
    """Vectors of two poolings of one model cannot be compared either."""
    others = [replace(BASE, pooling="mean"), replace(BASE, dimensions=384)]
    assert BASE.fingerprint not in [other.fingerprint for other in others]


def test_the_chunker_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunker that cuts elsewhere makes other vectors."""
    before = BASE.fingerprint
    monkeypatch.setattr(models, "CHUNKER_VERSION", CHUNKER_VERSION + 1)
    assert replace(BASE).fingerprint != before


def test_the_same_text_has_another_hash_for_another_model() -> None:
    """A change of model embeds everything again."""
    assert content_hash("text", BASE) != content_hash("text", replace(BASE, pooling="mean"))
    assert content_hash("text", BASE) != content_hash("text ", BASE)


def test_half_a_surrogate_pair_can_be_hashed() -> None:
    """Text from JavaScript may hold one, and must not stop its batch."""
    assert len(content_hash("\ud83d", BASE)) == 64


def test_the_index_hash_knows_text_and_metadata() -> None:
    """The order of metadata is nothing; its values, types and absence are."""
    known = index_hash("a", {"x": 1, "y": "b"})
    assert index_hash("a", {"y": "b", "x": 1}) == known
    others = [index_hash("b", {"x": 1, "y": "b"}), index_hash("a", {"x": "1", "y": "b"})]
    assert known not in [*others, index_hash("a", {"x": 1})]
