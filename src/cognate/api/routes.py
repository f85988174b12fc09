"""Every route there is, for the application, the OpenAPI document and the isolation tests."""

from __future__ import annotations

from typing import Final

from cognate.api import embeddings, health, similarity, vectors

ROUTES: Final = (*health.ROUTES, *embeddings.ROUTES, *similarity.ROUTES, *vectors.ROUTES)
