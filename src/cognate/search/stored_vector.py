"""The stored vector of a record, or its newer text, as the query of a search by record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.embedding.fingerprint import fingerprint
from cognate.errors import NotEmbedded, NotFound
from cognate.ports import FLOAT32_BYTES, Statement, StoredVectors
from cognate.search.filters import Filter
from cognate.search.pending import read_pending, waiting_text

if TYPE_CHECKING:
    from cognate.ports import Platform, Vectors
    from cognate.principal import OrganizationId
    from cognate.schema.collections import Collection


async def stored_vector(
    platform: Platform, collection: Collection, organization_id: OrganizationId, record_id: str
) -> Vectors | str:
    """The first vector that is stored for a record of the organization.

    Where the text that it was made of has changed, and the new one still waits to be embedded: that
    text.

    Raises:
        NotFound: there is no such record in this organization.
        NotEmbedded: it has no vector yet, or none of the model of now.
        DatabaseError: D1 failed.
    """
    size = collection.model.dimensions * FLOAT32_BYTES
    sql = (
        f'SELECT CASE WHEN s.fingerprint = ?4 THEN hex(substr(r."{collection.embedding_column}", '  # noqa: S608 - names of the schema
        f'1, {size})) END AS vector FROM "{collection.sql_table}" r '
        "LEFT JOIN cognate_embeddings s ON s.organization_id = r.organization_id "
        "AND s.scope = ?2 AND s.record_id = r.id "
        f"WHERE r.organization_id = ?1 AND r.id = ?3{collection.not_deleted}"
    )
    parameters = (organization_id, collection.scope, record_id, fingerprint(collection.model))
    rows, [waiting] = await platform.database.batch(
        [
            Statement(sql, parameters),
            read_pending(collection, organization_id, Filter(), record_id),
        ]
    )
    if not rows:
        message = f"There is no such record in the table {collection.scope!r} of your organization."
        raise NotFound("record", message)
    data = bytes.fromhex(rows[0]["vector"] or "")
    text = waiting_text(collection, organization_id, waiting)
    if len(data) != size or text == "":
        message = (
            "The record has no vector yet: its job is still open or failed, or its text is empty. "
            "The list of embedding jobs, by its table and id, says which."
        )
        raise NotEmbedded(message)
    return text or StoredVectors(data, collection.model.dimensions)
