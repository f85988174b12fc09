"""The promise of the product, as a check: the indexes hold what the records say, and nothing else.

It is asked of the local platform in process and of the Worker in its real runtime alike, so it
knows neither: whoever inspects a place says how to read it.
"""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, Any, Final, Protocol

from cognate.chunking import chunk
from cognate.embedding.decide import content_hash
from cognate.ids import vector_id, vector_key
from cognate.models import INDEX_BINDINGS
from cognate.ports import FLOAT32_BYTES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Row
    from cognate.schema.collections import Collection

PAGE_ROWS: Final = 10
"""Records that are read at once: the longest take 3 MB each, with their vectors as numbers."""


class Place(Protocol):
    """A database and its indexes, at rest."""

    async def rows(self, sql: str, *parameters: str) -> list[Row]:
        """The rows of one statement."""
        ...

    async def embedded(self, model: EmbeddingModel, texts: Sequence[str]) -> bytes:
        """What the model answers for these texts now: float32, `[n, dimensions]`."""
        ...

    async def metadata(self, binding: str) -> Mapping[str, Mapping[str, Any]]:
        """The metadata of every vector in an index, by id."""
        ...

    async def values(self, binding: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """The components of vectors in an index, float32, by id."""
        ...


async def discrepancies(
    place: Place, collections: Iterable[Collection], organizations: Container[str] | None = None
) -> list[str]:
    """Where indexes and stored vectors are not what the records say; none if all is well.

    A record whose last word is a failed job, dismissed or not, is named, and may have the vectors
    it had before. One that has a posted text is to have the vectors of that.

    Args:
        place: what is inspected.
        collections: which of its collections.
        organizations: whose records and vectors; everybody's when None.
    """
    rows = await place.rows(
        "SELECT id, status, organization_id FROM cognate_jobs WHERE status IN ('queued', 'running')"
    )
    found = [
        f"job {row['id']} is {row['status']}"
        for row in rows
        if organizations is None or row["organization_id"] in organizations
    ]
    collections = list(collections)
    for collection in collections:
        found += await _Inspection(place, collection, organizations).run()
    return found + await _elsewhere(place, collections, organizations)


async def _elsewhere(
    place: Place, collections: Sequence[Collection], organizations: Container[str] | None
) -> list[str]:
    """Vectors in an index that is not that of their table's model."""
    right = {collection.scope: collection.model.index_binding for collection in collections}
    named = {
        vector_key(owner, collection.scope, record_id)
        for collection in collections
        for owner, record_id in await _Inspection(place, collection, organizations).failed()
    }
    return [
        f"{metadata['table']}: vector {entry} in {binding}"
        for binding in INDEX_BINDINGS.values()
        for entry, metadata in (await place.metadata(binding)).items()
        if right.get(metadata["table"], binding) != binding
        and entry.partition(".")[0] not in named
        and (organizations is None or metadata["organizationId"] in organizations)
    ]


class _Inspection:
    """One collection."""

    def __init__(
        self, place: Place, collection: Collection, organizations: Container[str] | None
    ) -> None:
        self.place = place
        self.organizations = organizations
        self.collection = collection
        self.binding = collection.model.index_binding

    async def run(self) -> list[str]:
        """What is wrong."""
        collection = self.collection
        self.states = {
            row["vector_key"]: row
            for row in await self.place.rows(
                "SELECT * FROM cognate_embeddings WHERE scope = ?1", collection.scope
            )
        }
        records = await self._records()
        self.there = {
            found: metadata
            for found, metadata in (await self.place.metadata(self.binding)).items()
            if metadata["table"] == collection.scope
            and (self.organizations is None or metadata["organizationId"] in self.organizations)
        }
        self.right = await self._right_vectors(records)
        self.components = await self.place.values(self.binding, sorted(self.there))
        named = await self.failed()
        found: list[str] = []
        expected: set[str] = set()
        for row in records:
            key = self._key(row)
            mine = {entry for entry in self.there if entry.startswith(key)}
            owners = {self.there[entry]["organizationId"] for entry in mine}
            if owners - {row["organization_id"]}:
                found.append(f"{key}: of {row['organization_id']}, indexed for {owners}")
            if (row["organization_id"], row["id"]) in named:
                expected |= mine
                continue
            found += self._compare(row, key)
            expected |= {vector_id(key, number) for number in range(len(self._parts(row)))}
        keys = {self._key(row) for row in records}
        found += [
            f"{collection.scope}: state of no record {key}"
            for key, state in self.states.items()
            if key not in keys
            and (self.organizations is None or state["organization_id"] in self.organizations)
            and (state["organization_id"], state["record_id"]) not in named
        ]
        there = set(self.there)
        found += [f"{collection.scope}: orphan vector {entry}" for entry in there - expected]
        found += [f"{collection.scope}: missing vector {entry}" for entry in expected - there]
        return found

    async def _records(self) -> list[Row]:
        collection = self.collection
        records: list[Row] = []
        # A page of the longest records is what D1 can answer.
        while page := await self.place.rows(
            f'SELECT r.*, hex(r."{collection.embedding_column}") AS vectors '  # noqa: S608 - names of the schema
            f'FROM "{collection.sql_table}" r WHERE TRUE{collection.not_deleted} '
            f"ORDER BY r.organization_id, r.id LIMIT {PAGE_ROWS} OFFSET {len(records)}"
        ):
            records += page
        if self.organizations is not None:
            records = [row for row in records if row["organization_id"] in self.organizations]
        if collection.table_name is not None:
            return records
        keep = await self.place.rows(
            "SELECT record_id FROM cognate_embeddings WHERE scope = ?1", collection.scope
        )
        ids = {row["record_id"] for row in keep}
        return [row for row in records if row["id"] in ids]

    async def failed(self) -> set[tuple[str, str]]:
        """Records whose last word is a failed job: none that does as much is done after it."""
        rows = await self.place.rows(
            "SELECT organization_id, record_id, status, embeds FROM cognate_jobs WHERE scope = ?1 "
            "AND status <> 'superseded' ORDER BY completed_at, id",
            self.collection.scope,
        )
        failed: dict[tuple[str, str], int] = {}
        for row in rows:
            record = (row["organization_id"], row["record_id"])
            if row["status"] in {"failed", "dismissed"}:
                failed[record] = max(row["embeds"], failed.get(record, 0))
            elif row["status"] == "done" and row["embeds"] >= failed.get(record, 0):
                failed.pop(record, None)
        return set(failed)

    async def _right_vectors(self, records: Sequence[Row]) -> dict[str, bytes]:
        """What the model makes of each part of the records' texts."""
        model = self.collection.model
        texts = sorted({part for row in records for part in self._parts(row)})
        size = model.dimensions * FLOAT32_BYTES
        right: dict[str, bytes] = {}
        for start in range(0, len(texts), model.max_texts):
            group = texts[start : start + model.max_texts]
            data = await self.place.embedded(model, group)
            for position, text in enumerate(group):
                right[text] = data[position * size : (position + 1) * size]
        return right

    def _key(self, row: Row) -> str:
        return vector_key(row["organization_id"], self.collection.scope, row["id"])

    def _text(self, row: Row) -> str:
        """What is to be embedded of a record."""
        state = self.states.get(self._key(row))
        posted: str | None = state["posted_text"] if state else None
        return self.collection.text_of(row) if posted is None else posted

    def _parts(self, row: Row) -> list[str]:
        text = self._text(row)
        parts = chunk(text, self.collection.model.max_tokens) if text.strip() else []
        return [text[part.start : part.end] for part in parts]

    def _compare(self, row: Row, key: str) -> list[str]:
        """What is wrong with one record."""
        collection, model = self.collection, self.collection.model
        name = f"{collection.scope} {row['organization_id']}/{row['id']}"
        text, stored = self._text(row), bytes.fromhex(row["vectors"])
        parts = self._parts(row)
        if not parts:
            return [f"{name}: vectors of an empty text"] if stored else []
        right = [self.right[part] for part in parts]
        found = [] if stored == b"".join(right) else [f"{name}: other vectors in D1"]
        state = self.states.get(key)
        if state is None:
            return [*found, f"{name}: no state"]
        spans = [[part.start, part.end] for part in chunk(text, model.max_tokens)]
        known = (state["content_hash"], state["fingerprint"], json.loads(state["chunks"]))
        if known != (content_hash(text, model), model.fingerprint, spans):
            found.append(f"{name}: another state")
        if state["max_chunks"] < len(parts):
            found.append(f"{name}: max_chunks is too low")
        metadata = {
            **collection.metadata_of(row),
            "organizationId": row["organization_id"],
            "table": collection.scope,
        }
        for number, vector in enumerate(right):
            # As numbers: to a binding, which takes JSON, 0 and -0 are one.
            entry = vector_id(key, number)
            if entry not in self.there:
                continue  # It is reported as missing.
            if array("f", self.components[entry]) != array("f", vector):
                found.append(f"{name}: another vector in the index for chunk {number}")
            if self.there[entry] != metadata:
                found.append(f"{name}: other metadata in the index for chunk {number}")
        return found
