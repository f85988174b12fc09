"""Cognate: automatic embeddings and organization-scoped similarity search on Cloudflare."""

from cognate.definitions import (
    Cognate,
    Embeddings,
    GrayZone,
    Record,
    Similarity,
    Table,
    Thresholds,
)

__all__ = ["Cognate", "Embeddings", "GrayZone", "Record", "Similarity", "Table", "Thresholds"]
