"""All routes, one file for each resource."""

from __future__ import annotations

from typing import Final

from cognate.api.routes import (
    backfills,
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
    *backfills.ROUTES,
    *coverage.ROUTES,
    *similarity.ROUTES,
    *vectors.ROUTES,
    *records.ROUTES,
)
