"""Hashes that say whether stored vectors, and what the index has of them, are still right."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognate.models import EmbeddingModel
    from cognate.ports import Scalar


def content_hash(text: str, model: EmbeddingModel) -> str:
    """SHA-256 in hex over the fingerprint and the rendered text."""
    seed = f"{model.fingerprint}\n{text}"
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()


def index_hash(content: str, metadata: Mapping[str, Scalar]) -> str:
    """SHA-256 in hex over what an index holds of a record: its content hash and its metadata."""
    seed = json.dumps([content, sorted(metadata.items())])
    return hashlib.sha256(seed.encode()).hexdigest()
