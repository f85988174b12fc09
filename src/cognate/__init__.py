"""Cognate: automatic embeddings and organization-scoped similarity search on Cloudflare."""

from cognate.schema import (
    Access,
    Cognate,
    Embeddings,
    GrayZone,
    Guards,
    Owner,
    Record,
    Similarity,
    Table,
    Thresholds,
)

__all__ = [
    "Access",
    "Cognate",
    "Embeddings",
    "GrayZone",
    "Guards",
    "Owner",
    "Record",
    "Similarity",
    "Table",
    "Thresholds",
]
