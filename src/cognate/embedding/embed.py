"""From texts to vectors: one call for each hundred texts of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cognate.embedding.halving import isolating
from cognate.embedding.vector_checks import checked
from cognate.errors import (
    EmbedderRejected,
    PlatformError,
    UnembeddableText,
    UnusableEmbeddings,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Embedder, Vectors


CONTROL_TEXT: Final = "A short and ordinary sentence."
"""What tells a model that fails from a text that spoils its answers."""

BLAMING: Final = (EmbedderRejected, UnembeddableText)
"""Errors that are one text's own."""


@dataclass(frozen=True)
class Placed:
    """Where a text's vector is: a row of a batch, never the numbers."""

    vectors: Vectors
    position: int


async def embed_texts(
    embedder: Embedder, model: EmbeddingModel, texts: Sequence[str]
) -> list[Placed | PlatformError]:
    """Embed texts of one model.

    A text that the model refuses is found by halving and fails alone. So does one that makes
    answers unusable, if the model answers well to a control text at the same time; if it does not,
    the model is to blame, and nothing is halved. Neither is any other failure of the platform.

    Returns:
        For each text, in order, where its vector is or why there is none.
    """
    is_well: bool | None = None

    async def embed(items: Sequence[str]) -> Vectors:
        return checked(await embedder.embed(model, items), count=len(items), model=model)

    async def call(items: Sequence[str]) -> Vectors:
        nonlocal is_well
        try:
            return await embed(items)
        except UnusableEmbeddings as error:
            if is_well is None:
                is_well = await _answers(embed)
            if is_well:
                raise UnembeddableText(str(error)) from error
            raise

    placed: list[Placed | PlatformError] = []
    for start in range(0, len(texts), model.max_texts):
        group = texts[start : start + model.max_texts]
        for items, result in await isolating(
            group, call, divides=lambda error, _: isinstance(error, BLAMING)
        ):
            if isinstance(result, PlatformError):
                placed.extend([result] * len(items))
            else:
                placed.extend(Placed(result, position) for position in range(len(items)))
    return placed


async def _answers(embed: Callable[[Sequence[str]], Awaitable[Vectors]]) -> bool:
    """Whether the model answers well to a text that is known to be good."""
    try:
        await embed([CONTROL_TEXT])
    except PlatformError:
        return False
    return True
