"""Every route there is, for the application, the OpenAPI document and the isolation tests."""

from __future__ import annotations

from typing import Final

from cognate.api.routes import backfills as backfill
from cognate.api.routes import (
    coverage,
    embeddings,
    health,
    jobs,
    records,
    run,
    similarity,
    texts,
    vectors,
)

ROUTES: Final = (
    *health.ROUTES,
    *embeddings.ROUTES,
    *run.ROUTES,
    *jobs.ROUTES,
    *texts.ROUTES,
    *backfill.ROUTES,
    *coverage.ROUTES,
    *similarity.ROUTES,
    *vectors.ROUTES,
    *records.ROUTES,
)
