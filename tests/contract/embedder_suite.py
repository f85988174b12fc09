"""What every embedder promises."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from dataclasses import replace
from typing import TYPE_CHECKING

from cognate.embedding.embed import checked
from cognate.errors import EmbedderModelUnavailable, EmbedderRejected
from cognate.models import DEFAULT_MODEL, MODELS
from cognate.ports import FLOAT32_BYTES
from cognate.search.nearest import QueryVector, from_float32
from tests.contract.raising import raised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.ports import Embedder, Vectors

MODEL = MODELS[DEFAULT_MODEL]
WORDS = [
    "river",
    "owl",
    "lantern",
    "granite",
    "violin",
    "harbour",
    "meadow",
    "copper",
    "ice",
    "rye",
]


class EmbedderSuite(ABC):
    """The contract of `cognate.ports.Embedder`."""

    @abstractmethod
    def embedder(self) -> Embedder:
        """The embedder under test."""

    @abstractmethod
    def numbers(self, vectors: Vectors, position: int) -> Sequence[float]:
        """One row of its vectors as the platform answered it."""

    async def test_one_text_is_one_vector_of_each_model(self) -> None:
        """Of the dimension that the catalogue gives it."""
        for model in MODELS.values():
            vectors = await self.embedder().embed(model, ["The river rose."])

            assert list(vectors.lengths()) == [model.dimensions]
            assert len(vectors.float32()) == model.dimensions * FLOAT32_BYTES

    async def test_a_hundred_texts_are_a_hundred_vectors_of_each_model(self) -> None:
        """In one call; the core's own check takes the answer."""
        texts = [f"{first} and {second}" for first in WORDS for second in WORDS]
        for model in MODELS.values():
            vectors = await self.embedder().embed(model, texts)

            assert checked(vectors, count=100, model=model) is vectors
            assert len(vectors.float32()) == 100 * model.dimensions * FLOAT32_BYTES

    async def test_float32_holds_the_numbers_of_each_row(self) -> None:
        """Row after row, each number rounded to single precision and not otherwise changed."""
        vectors = await self.embedder().embed(MODEL, WORDS)

        for row in range(len(WORDS)):
            data = vectors.float32()[row * MODEL.dimensions * FLOAT32_BYTES :]
            numbers = array("f", self.numbers(vectors, row))
            # Compared as numbers: minus zero is zero.
            assert from_float32(data)[: MODEL.dimensions] == numbers

    async def test_float32_can_be_asked_for_again(self) -> None:
        """Reading vectors does not use them up."""
        vectors = await self.embedder().embed(MODEL, WORDS[:2])

        assert vectors.float32() == vectors.float32()
        assert list(vectors.lengths()) == list(vectors.lengths())

    async def test_a_text_has_one_vector_wherever_it_stands(self) -> None:
        """Order is kept, and neighbours do not matter."""
        size = MODEL.dimensions * FLOAT32_BYTES
        together = (await self.embedder().embed(MODEL, WORDS)).float32()

        for place in (0, 4, 9):
            alone = (await self.embedder().embed(MODEL, [WORDS[place]])).float32()
            row = together[place * size : (place + 1) * size]
            assert QueryVector(row).cosine(alone) > 0.9999

    async def test_components_are_finite_and_vectors_have_a_direction(self) -> None:
        """A text of no words has a vector too."""
        vectors = await self.embedder().embed(MODEL, ["An owl.", "?!", "🦉", " \n", "x" * 100_000])

        numbers = array("f", vectors.float32())
        assert vectors.are_finite()
        assert all(map(math.isfinite, numbers))
        for row in range(5):
            assert any(numbers[row * MODEL.dimensions : (row + 1) * MODEL.dimensions])

    async def test_near_texts_are_nearer_than_far_ones(self) -> None:
        """Enough meaning for a search to mean something."""
        texts = [
            "Police arrested three suspects.",
            "Three suspects were arrested by police.",
            "The stock market fell today.",
        ]
        size = MODEL.dimensions * FLOAT32_BYTES
        data = (await self.embedder().embed(MODEL, texts)).float32()

        near = QueryVector(data[:size]).cosine(data[size : 2 * size])
        far = QueryVector(data[:size]).cosine(data[2 * size :])
        assert near > far + 0.2

    async def test_an_urgent_call_is_answered_alike(self) -> None:
        """Urgency decides about waiting, not about vectors."""
        calm = await self.embedder().embed(MODEL, ["An owl."])
        urgent = await self.embedder().embed(MODEL, ["An owl."], urgent=True)

        assert urgent.float32() == calm.float32()

    async def test_half_a_surrogate_pair_is_embedded(self) -> None:
        """A text that a careless client cut in the middle of an emoji is not an error."""
        vectors = await self.embedder().embed(MODEL, ["cut here: \ud83e"])

        assert list(vectors.lengths()) == [MODEL.dimensions]

    async def test_wrong_input_is_rejected(self) -> None:
        """No texts, and a text that is empty beside one that is not."""
        for model in MODELS.values():
            for texts in ([], [""], ["An owl.", ""]):
                error = await raised(self.embedder().embed(model, texts))

                assert type(error) is EmbedderRejected, (model.name, texts)

    async def test_a_list_that_is_too_long_is_rejected(self) -> None:
        """One more text than the catalogue allows."""
        for model in MODELS.values():
            texts = ["An owl."] * (model.max_texts + 1)

            error = await raised(self.embedder().embed(model, texts))

            assert type(error) is EmbedderRejected

    async def test_an_unknown_model_is_not_the_texts_fault(self) -> None:
        """A model can be retired while its texts wait."""
        model = replace(MODEL, name="@cf/nobody/no-such-model")

        error = await raised(self.embedder().embed(model, ["An owl."]))

        assert type(error) is EmbedderModelUnavailable
