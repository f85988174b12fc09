"""Workers AI for text embeddings, as `env.AI.run(model, input)` answers on Cloudflare.

Schemas and limits are from Cloudflare's model pages. The sentences of the errors are those of its
validator ("5006: Error: oneOf at '/' not met, ..."), collected from reports of users. No report
confirms the sentences for a list that is too long or empty and for an unknown pooling, nor the
number for a text that is too long for bge-m3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from local.failures import BindingError

if TYPE_CHECKING:
    from local.ai.embedding_spaces import PoolingMethod, TextEncoder
    from local.ai.sentence_model import Matrix

MAX_TEXTS: Final = 100
"""Texts in one call: `maxItems` in the schema of each model."""
BGE_M3_MAX_TOKENS: Final = 60_000
"""Tokens in one text of bge-m3: the context window on its model page."""
DECIMALS: Final = 8
"""Decimal places of a component in an answer. float32 has no more."""

NO_SUCH_MODEL: Final = 5007
INVALID_INPUT: Final = 5006
CONTEXT_EXCEEDED: Final = 5021


@dataclass(frozen=True)
class OfferedModel:
    """An embedding model of Workers AI.

    Attributes:
        name: the first argument of `run`.
        dimensions: components of its vectors.
        pools: whether the caller may choose the pooling. Otherwise it is cls.
        max_tokens: a longer text is an error, unless `truncate_inputs` is set. None: a text longer
            than 512 tokens is cut silently.
    """

    name: str
    dimensions: int
    pools: bool = True
    max_tokens: int | None = None


MODELS: Final = {
    model.name: model
    for model in (
        OfferedModel("@cf/baai/bge-small-en-v1.5", 384),
        OfferedModel("@cf/baai/bge-base-en-v1.5", 768),
        OfferedModel("@cf/baai/bge-large-en-v1.5", 1024),
        OfferedModel("@cf/baai/bge-m3", 1024, pools=False, max_tokens=BGE_M3_MAX_TOKENS),
    )
}

LONG_CONTEXT_MODELS: Final = frozenset(name for name, model in MODELS.items() if model.max_tokens)
"""The names of the models that read more than 512 tokens."""


class LocalWorkersAI:
    """The `AI` binding over an encoder on this machine."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    def run(
        self, model: object, arguments: object = None, options: object = None
    ) -> dict[str, Any]:
        """Embed one text or up to 100: `{"shape": [n, dimensions], "data": [[...]], "pooling"}`.

        `data[i]` belongs to the i-th text. Options are ignored, because the local Workers AI is
        never busy.

        Raises:
            BindingError: its name is "AiError" and its message `<number>: <sentence>`.
        """
        del options
        found = MODELS.get(model) if isinstance(model, str) else None
        if found is None:
            raise ai_error(NO_SUCH_MODEL, f"No such model {model} or task")
        texts = _texts(found, arguments)
        pooling = _pooling(found, arguments)
        vectors = self._encode(found, texts, arguments, pooling)
        data = np.round(vectors.astype(np.float64), DECIMALS).tolist()
        return {"shape": [len(texts), found.dimensions], "data": data, "pooling": pooling}

    def _encode(
        self, model: OfferedModel, texts: list[str], arguments: object, pooling: PoolingMethod
    ) -> Matrix:
        truncate = isinstance(arguments, Mapping) and arguments.get("truncate_inputs") is True
        if model.max_tokens is not None and not truncate:
            for text in texts:
                # A token has at least one character, so most texts need no count.
                if len(text) < model.max_tokens - 1:
                    continue
                tokens = self._encoder.count_tokens(model.name, text)
                if tokens > model.max_tokens:
                    raise ai_error(
                        CONTEXT_EXCEEDED,
                        f"The estimated number of input and maximum output tokens ({tokens}) "
                        f"exceeded this model context window limit ({model.max_tokens}).",
                    )
        return self._encoder.encode(model.name, model.dimensions, pooling, texts)


def ai_error(number: int, sentence: str) -> BindingError:
    """The error with which `env.AI.run` rejects."""
    return BindingError("AiError", f"{number}: {sentence}")


def _texts(model: OfferedModel, arguments: object) -> list[str]:
    """The texts of a valid input. Otherwise raise the error of Cloudflare's validator."""
    if not isinstance(arguments, Mapping):
        problem = f"Type mismatch of '/', '{_json_type(arguments)}' not in 'object'"
        raise _invalid(problem)
    if "text" not in arguments:
        raise _unmet(model, "required properties at '/' are 'text'")
    text = arguments["text"]
    if isinstance(text, str):
        text_problem = _item_problem("/text", text)
        if text_problem:
            raise _unmet(model, text_problem)
        return [_well_formed(text)]
    if not isinstance(text, list):
        raise _unmet(
            model, f"Type mismatch of '/text', '{_json_type(text)}' not in 'string','array'"
        )
    if not text:
        raise _unmet(model, "Length of '/text' must be >= 1")
    if len(text) > MAX_TEXTS:
        raise _unmet(model, f"Length of '/text' must be <= {MAX_TEXTS}")
    for position, item in enumerate(text):
        item_problem = _item_problem(f"/text/{position}", item)
        if item_problem:
            raise _unmet(model, item_problem)
    return [_well_formed(item) for item in text]


def _well_formed(text: str) -> str:
    """Replace lone surrogates, which no tokenizer accepts."""
    return text.encode("utf-8", "replace").decode()


def _item_problem(path: str, item: object) -> str | None:
    if not isinstance(item, str):
        return f"Type mismatch of '{path}', '{_json_type(item)}' not in 'string'"
    return None if item else f"Length of '{path}' must be >= 1"


def _pooling(model: OfferedModel, arguments: object) -> PoolingMethod:
    if not model.pools:
        return "cls"
    pooling = arguments.get("pooling", "mean") if isinstance(arguments, Mapping) else "mean"
    if pooling == "cls":
        return "cls"
    if pooling == "mean":
        return "mean"
    raise _unmet(model, "'/pooling' must be one of 'mean','cls'")


def _unmet(model: OfferedModel, problem: str) -> BindingError:
    """The error of an input that fits no form. `problem` is that of the nearest form."""
    others = ["'requests'"] if model.pools else ["'contexts'", "'requests'"]
    alternatives = [f"required properties at '/' are {name}" for name in others]
    return _invalid(f"oneOf at '/' not met, 0 matches: {', '.join([problem, *alternatives])}")


def _invalid(problem: str) -> BindingError:
    return ai_error(INVALID_INPUT, f"Error: {problem}")


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
