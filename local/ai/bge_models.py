"""The bge models with their real weights, for `LOCAL_AI=bge`: the same vectors as in production.

The package `fastembed` downloads the weights from a model hub, so this is an option and no test
uses it. fastembed runs the English models with cls pooling, as they were trained. It has no bge-m3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from local.failures import BindingError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from local.ai.embedding_spaces import PoolingMethod
    from local.ai.sentence_model import Matrix

HUB_NAMES: Final = {
    "@cf/baai/bge-small-en-v1.5": "BAAI/bge-small-en-v1.5",
    "@cf/baai/bge-base-en-v1.5": "BAAI/bge-base-en-v1.5",
    "@cf/baai/bge-large-en-v1.5": "BAAI/bge-large-en-v1.5",
}


_ERROR: Final = "Error"


class TextEmbedding(Protocol):
    """The part of `fastembed.TextEmbedding` that is used here."""

    def embed(self, documents: list[str]) -> Iterable[NDArray[np.float32]]:
        """Yield one unit vector for each document."""
        ...

    def token_count(self, texts: str) -> int:
        """The number of tokens of the text."""
        ...


class BgeEncoder:
    """A `TextEncoder` over fastembed. Weights are downloaded when a model is first used."""

    def __init__(self, load: Callable[..., TextEmbedding]) -> None:
        self._load = load
        self._loaded: dict[str, TextEmbedding] = {}

    @classmethod
    def connect(cls, first_model: str) -> BgeEncoder:
        """Import fastembed and download one model, so that a missing hub is found at the start.

        Raises:
            StartError: fastembed is not installed, or no hub can be reached.
        """
        try:
            fastembed = importlib.import_module("fastembed")
        except ImportError as error:
            message = (
                "LOCAL_AI=bge needs the package fastembed: install it with "
                "`uv pip install fastembed`, or unset LOCAL_AI for the built-in sentence model."
            )
            raise StartError(message) from error
        encoder = cls(fastembed.TextEmbedding)
        encoder._model(first_model)
        return encoder

    def count_tokens(self, model: str, text: str) -> int:
        """The number of tokens of the whole text."""
        return int(self._usable(model, "cls").token_count(text))

    def encode(
        self, model: str, dimensions: int, pooling: PoolingMethod, texts: Sequence[str]
    ) -> Matrix:
        """Unit vectors, `[n, dimensions]`. Only cls pooling is possible."""
        vectors = np.asarray(
            list(self._usable(model, pooling).embed(list(texts))), dtype=np.float32
        )
        return vectors.reshape(len(texts), dimensions)

    def _usable(self, model: str, pooling: PoolingMethod) -> TextEmbedding:
        if model not in HUB_NAMES or pooling != "cls":
            message = (
                f"LOCAL_AI=bge has no {model} with {pooling} pooling: it runs the English bge "
                "models with cls pooling; unset LOCAL_AI for the others."
            )
            raise BindingError(_ERROR, message)
        try:
            return self._model(model)
        except StartError as error:
            raise BindingError(_ERROR, str(error)) from error

    def _model(self, model: str) -> TextEmbedding:
        if model not in self._loaded:
            name = HUB_NAMES[model]
            try:
                self._loaded[model] = self._load(model_name=name)
            except (OSError, ValueError, RuntimeError) as error:
                message = (
                    f"LOCAL_AI=bge could not fetch {name} from the model hub; check the network, "
                    "or unset LOCAL_AI to use the built-in sentence model."
                )
                raise StartError(message) from error
        return self._loaded[model]
