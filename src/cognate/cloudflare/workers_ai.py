"""The embedder adapter over Workers AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyodide.ffi import JsException

from cognate.cloudflare.conversion import to_javascript
from cognate.cloudflare.javascript_vectors import JavaScriptVectors
from cognate.cloudflare.platform_errors import embedder_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.cloudflare.conversion import JavaScriptObject
    from cognate.models import EmbeddingModel
    from cognate.ports import Vectors


class WorkersAi:
    """`ports.Embedder` over an AI binding."""

    def __init__(self, binding: JavaScriptObject) -> None:
        """Wrap a binding."""
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
