"""Workers AI as the core's embedder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pyodide.ffi import JsException

from cognate.cloudflare.conversion import to_javascript
from cognate.cloudflare.vectors import JavaScriptVectors
from cognate.errors import EmbedderBusy, EmbedderError, EmbedderRejected, EmbedderTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.models import EmbeddingModel
    from cognate.ports import Vectors

ERRORS: Final[Mapping[int, type[EmbedderError]]] = {
    3040: EmbedderBusy,  # out of capacity
    3036: EmbedderBusy,  # daily allowance used up
    3007: EmbedderTimeout,
    3006: EmbedderRejected,  # request too large
    3042: EmbedderRejected,  # no such model
    5004: EmbedderRejected,  # invalid input
    5007: EmbedderRejected,  # no such model
}
"""Workers AI's error numbers, which open its messages."""

NUMBER: Final = re.compile(r"\b(\d{4}):")


class WorkersAi:
    """`ports.Embedder` over an AI binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Take the binding, unwrapped."""
        self._binding = binding

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `ports.Embedder.embed`."""
        request = {"text": list(texts)}
        if model.pooling is not None:
            request["pooling"] = model.pooling  # type: ignore[assignment]  # a JSON object
        options = [to_javascript({"rejectIfBusy": True})] if urgent else []
        try:
            answer = await self._binding.run(model.name, to_javascript(request), *options)
        except JsException as error:
            raise embedder_error(error.message) from error
        return JavaScriptVectors(getattr(answer, "data", None))


def embedder_error(message: str) -> EmbedderError:
    """The error that a message of Workers AI stands for."""
    found = NUMBER.search(message)
    kind = ERRORS.get(int(found[1]), EmbedderError) if found else EmbedderError
    if kind is EmbedderError and ("429" in message or "busy" in message.lower()):
        kind = EmbedderBusy
    return kind(message)
