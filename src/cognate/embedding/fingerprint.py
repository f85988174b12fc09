"""What decides whether stored vectors are still right: how they were made, and of which text."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from cognate.chunking import CHUNKER_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.models import EmbeddingModel
    from cognate.ports import Scalar


def fingerprint(model: EmbeddingModel) -> str:
    """All that decides a text's vectors beside the text.

    Vectors of two fingerprints are not compared: another model, another pooling of the same model,
    or other chunks.
    """
    parts = (model.name, str(model.dimensions), model.pooling or "-", f"chunks-{CHUNKER_VERSION}")
    return ":".join(parts)


def content_hash(text: str, model: EmbeddingModel) -> str:
    """SHA-256 in hex over the fingerprint and the rendered text."""
    seed = f"{fingerprint(model)}\n{text}"
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()


def index_hash(content: str, metadata: Mapping[str, Scalar]) -> str:
    """SHA-256 in hex over what an index holds of a record: its content hash and its metadata."""
    seed = json.dumps([content, sorted(metadata.items())])
    return hashlib.sha256(seed.encode()).hexdigest()
