"""The local Workers AI as the core's embedder, without HTTP or JavaScript between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognate.cloudflare.platform_errors import embedder_error
from local.adapters.listed_vectors import ListVectors
from local.errors import PlatformError
from local.service.calls import AI_BINDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Vectors
    from local.service.calls import Bindings


class LocalEmbedder:
    """`cognate.ports.Embedder` over the bindings of the local platform."""

    def __init__(self, bindings: Bindings) -> None:
        """Take the bindings, whose faults and counts apply here too."""
        self._bindings = bindings

    async def embed(
        self, model: EmbeddingModel, texts: Sequence[str], *, urgent: bool = False
    ) -> Vectors:
        """See `cognate.ports.Embedder.embed`."""
        request: dict[str, Any] = {"text": list(texts)}
        if model.pooling is not None:
            request["pooling"] = model.pooling
        options = [{"rejectIfBusy": True}] if urgent else []
        try:
            answer = await self._bindings.call(AI_BINDING, "run", [model.name, request, *options])
        except PlatformError as error:
            raise embedder_error(error.message) from error
        rows = answer.get("data", []) if isinstance(answer, dict) else []
        return ListVectors(rows)
