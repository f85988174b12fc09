"""The catalogue of embedding models, with their limits and the indexes of their vectors.

The numbers are from Cloudflare's model pages of November 2026. The page of bge-small says 386
dimensions, which is a typing error. The model answers 384.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from cognate.chunking import CHUNKER_VERSION
from cognate.errors import DefinitionError, FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

Pooling = Literal["cls", "mean"]

DEFAULT_MODEL: Final = "@cf/baai/bge-base-en-v1.5"

INDEX_BINDINGS: Final[Mapping[int, str]] = MappingProxyType(
    {384: "VECTORIZE_384", 768: "VECTORIZE", 1024: "VECTORIZE_1024"}
)
"""The Vectorize bindings by dimension. The dimension of an index is fixed when it is made."""


@dataclass(frozen=True)
class EmbeddingModel:
    """One model of Workers AI.

    Attributes:
        name: of the model in Workers AI.
        dimensions: components of a vector.
        max_tokens: tokens of a text that are embedded. The bge models ignore the rest silently.
        max_texts: texts in one call.
        pooling: how token vectors become one vector. Vectors of two poolings cannot be compared.
            The default of Workers AI is `mean`, but bge was trained for `cls`. None if the model
            has no such setting.
    """

    name: str
    dimensions: int
    max_tokens: int
    max_texts: int
    pooling: Pooling | None

    @cached_property
    def index_binding(self) -> str:
        """The name of the Vectorize binding that holds this model's vectors."""
        return INDEX_BINDINGS[self.dimensions]

    @cached_property
    def fingerprint(self) -> str:
        """Everything, besides the text itself, that decides the vectors of a text.

        Vectors of two fingerprints are not compared. They come from another model, another pooling
        of the same model, or other chunks.
        """
        parts = (self.name, str(self.dimensions), self.pooling or "-", f"chunks-{CHUNKER_VERSION}")
        return ":".join(parts)


MODELS: Final[Mapping[str, EmbeddingModel]] = MappingProxyType(
    {
        model.name: model
        for model in (
            EmbeddingModel("@cf/baai/bge-small-en-v1.5", 384, 512, 100, "cls"),
            EmbeddingModel(DEFAULT_MODEL, 768, 512, 100, "cls"),
            EmbeddingModel("@cf/baai/bge-large-en-v1.5", 1024, 512, 100, "cls"),
            # Multilingual. It can read 8,192 tokens, but one vector for so much text blurs what a
            # passage says, so it is given the same 512 as the others.
            EmbeddingModel("@cf/baai/bge-m3", 1024, 512, 100, None),
        )
    }
)


def model_named(name: str) -> EmbeddingModel:
    """The model of this name.

    Raises:
        DefinitionError: the catalogue has no such model. The message lists its models.
    """
    try:
        return MODELS[name]
    except KeyError:
        known = ", ".join(MODELS)
        message = f"there is no embedding model {name!r}; use one of {known}"
        raise DefinitionError(message) from None


def requested_model(name: str | None) -> EmbeddingModel:
    """The model that a request names in `/model`, or the default model.

    Raises:
        InvalidInput: the catalogue has no such model. The message lists its models.
    """
    found = MODELS.get(name or DEFAULT_MODEL)
    if found is None:
        raise InvalidInput(FieldError("/model", f"must be one of {', '.join(MODELS)}"))
    return found
