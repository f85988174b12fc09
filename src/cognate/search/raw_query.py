"""Find the nearest vectors without thresholds, in a table or in texts posted without a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import FieldError, InvalidInput
from cognate.models import requested_model
from cognate.ports import StoredVectors, Vectors
from cognate.schema.collections import POSTED_TEXTS, Collection
from cognate.search.filters import parse_filter
from cognate.search.nearest import Nearest, nearest
from cognate.search.similarity import embed_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cognate.ports import Platform
    from cognate.principal import OrganizationId
    from cognate.schema import Cognate

LARGEST_COMPONENT: Final = 3.4e38
"""About the largest float32. A larger component is infinite, and has no cosine."""


async def query_vectors(  # noqa: PLR0913 - a query has these parts
    platform: Platform,
    app: Cognate,
    organization_id: OrganizationId,
    *,
    table: str | None = None,
    model: str | None = None,
    vector: Sequence[float] | None = None,
    text: str | None = None,
    top_k: int = 5,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
) -> Nearest:
    """Find the `top_k` records or texts nearest to a vector or a text, without thresholds.

    Args:
        platform: the ports.
        app: the schema.
        organization_id: whose records.
        table: of the records; None for texts that were posted without a table.
        model: of these texts, by default the default model. A table has its own model.
        vector: the query, `[dimensions]` of the model; give either `vector` or `text`.
        text: the query, embedded by the model.
        top_k: 1 to 50.
        filter: over the table's metadata, by JSON name.

    Raises:
        NotFound: there is no such table, or it embeds nothing.
        InvalidInput: a wrong number of components, a wrong model, or a filter that is not valid.
        EmbedderError: the text could not be embedded.
        DatabaseError: D1 failed.
    """
    collection = _collection(app, table, model)
    conditions = parse_filter(filter or {}, collection.filter_fields)
    query: Vectors
    if vector is not None:
        query = _checked_query(vector, collection)
    else:
        query = await embed_query(platform, collection, text or "")
    found = await nearest(
        platform, collection, organization_id, query, filter=conditions, wanted=top_k
    )
    return replace(found, matches=found.matches[:top_k])


def _collection(app: Cognate, table: str | None, model: str | None) -> Collection:
    if table is None:
        return POSTED_TEXTS[requested_model(model).name]
    collection = app.collection(table)
    if model not in (None, collection.model.name):
        message = f"must be {collection.model.name}, the model of the table, or left out"
        raise InvalidInput(FieldError("/model", message))
    return collection


def _checked_query(vector: Sequence[float], collection: Collection) -> StoredVectors:
    model = collection.model
    if len(vector) != model.dimensions:
        message = f"must have {model.dimensions} numbers, as {model.name} has; it has {len(vector)}"
        raise InvalidInput(FieldError("/vector", message))
    if not all(abs(component) <= LARGEST_COMPONENT for component in vector):
        raise InvalidInput(FieldError("/vector", "must hold finite float32 numbers"))
    if not any(vector):
        raise InvalidInput(FieldError("/vector", "must not be all zeros: it has no direction"))
    return StoredVectors.of(vector)
