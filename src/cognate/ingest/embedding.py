"""From texts to vectors: one call for each hundred texts of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cognate.errors import EmbedderRejected, PlatformError, UnusableEmbeddings
from cognate.ingest.isolating import isolating
from cognate.vectors import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Embedder, Vectors


@dataclass(frozen=True)
class ChunkText:
    """One text to be embedded.

    Attributes:
        suspect: earlier tries of its job failed in a way that may be this text's fault.
    """

    text: str
    suspect: bool = False


@dataclass(frozen=True)
class Placed:
    """Where a text's vector is: a row of a batch, never the numbers."""

    vectors: Vectors
    position: int


async def embed_texts(
    embedder: Embedder, model: EmbeddingModel, texts: Sequence[ChunkText]
) -> list[Placed | PlatformError]:
    """Embed texts of one model.

    A text that the model refuses is found by halving and fails alone. So does a suspect one that
    makes answers unusable. A failure of the platform is nobody's: it is not halved.

    Returns:
        For each text, in order, where its vector is or why there is none.
    """

    async def call(items: Sequence[ChunkText]) -> Vectors:
        answer = await embedder.embed(model, [item.text for item in items])
        return checked(answer, count=len(items), model=model)

    placed: list[Placed | PlatformError] = []
    for start in range(0, len(texts), model.max_texts):
        group = texts[start : start + model.max_texts]
        for items, result in await isolating(group, call, divides=_divides):
            if isinstance(result, PlatformError):
                placed.extend([result] * len(items))
            else:
                placed.extend(Placed(result, position) for position in range(len(items)))
    return placed


def _divides(error: PlatformError, items: Sequence[ChunkText]) -> bool:
    if isinstance(error, UnusableEmbeddings):
        return any(item.suspect for item in items)
    return isinstance(error, EmbedderRejected)
