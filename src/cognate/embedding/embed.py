"""Embed: turn the texts of records into vectors, or load the vectors that D1 has already."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cognate.embedding.decide import Action, Decided, decide_to_embed
from cognate.embedding.platform_calls import call_halving
from cognate.errors import (
    DatabaseError,
    EmbedderRejected,
    PlatformError,
    UnembeddableText,
    UnusableEmbeddings,
)
from cognate.ports import FLOAT32_BYTES, Statement, StoredVectors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cognate.models import EmbeddingModel
    from cognate.ports import Database, Embedder, Platform, Vectors


CONTROL_TEXT: Final = "A short and ordinary sentence."
"""A text that every model can embed. It shows whether the model fails, or one text does."""

BLAMING: Final = (EmbedderRejected, UnembeddableText)
"""Errors that one text causes."""


@dataclass(frozen=True)
class VectorRow:
    """One vector: a row of a batch of vectors. The numbers stay outside of Python."""

    vectors: Vectors
    position: int


@dataclass(frozen=True)
class Embedded(Decided):
    """A record with its vectors.

    Attributes:
        vectors: one for each chunk; none if the record needs none, or if any of them is missing.
    """

    vectors: tuple[VectorRow, ...] = ()

    @property
    def is_indexed(self) -> bool:
        """Whether the index has accepted the vectors; a later step of a batch says so."""
        return False


async def embed_records(platform: Platform, decided: Sequence[Decided]) -> list[Embedded]:
    """Get the vectors of records: from D1 if the text did not change, else from the model.

    A record whose column does not hold what its state row says is embedded again.

    Returns:
        Every record, in order. If D1 fails, that is the error of each.
    """
    try:
        loaded = await _load_vectors(platform.database, decided)
    except DatabaseError as error:
        return [Embedded(**{**vars(item), "error": item.error or error}) for item in decided]
    pending = [item for item in loaded if item.action is Action.EMBED and item.error is None]
    embedded: dict[int, Embedded] = {}
    for model in dict.fromkeys(item.record.collection.model for item in pending):
        group = [item for item in pending if item.record.collection.model is model]
        rows = iter(await embed_texts(platform.embedder, model, texts_of_chunks(group)))
        embedded |= {id(item): _with(item, [next(rows) for _ in item.chunks]) for item in group}
    return [embedded.get(id(item), item) for item in loaded]


def texts_of_chunks(decided: Sequence[Decided]) -> list[str]:
    """The texts of all chunks of these records, in order."""
    return [item.record.text[part.start : part.end] for item in decided for part in item.chunks]


def _with(item: Embedded, rows: Sequence[VectorRow | PlatformError]) -> Embedded:
    """The record with its vectors: those of all chunks, or none."""
    vectors = tuple(row for row in rows if isinstance(row, VectorRow))
    errors = [row for row in rows if isinstance(row, PlatformError)]
    return replace(item, error=errors[-1]) if errors else replace(item, vectors=vectors)


async def embed_texts(
    embedder: Embedder, model: EmbeddingModel, texts: Sequence[str]
) -> list[VectorRow | PlatformError]:
    """Embed texts by one model: one call for each hundred texts.

    A text that the model refuses is found by halving, and fails alone. A text that makes answers
    unusable is found in the same way, if the model answers well to a control text at that moment.
    If it does not, the model is to blame, and nothing is halved. Other failures of the platform
    halve nothing either.

    Returns:
        For each text, in order, its vector or why there is none.
    """
    is_well: bool | None = None

    async def embed(items: Sequence[str]) -> Vectors:
        return checked(await embedder.embed(model, items), count=len(items), model=model)

    async def call(items: Sequence[str]) -> Vectors:
        nonlocal is_well
        try:
            return await embed(items)
        except UnusableEmbeddings as error:
            if is_well is None:
                is_well = await _answers(embed)
            if is_well:
                raise UnembeddableText(str(error)) from error
            raise

    rows: list[VectorRow | PlatformError] = []
    for start in range(0, len(texts), model.max_texts):
        group = texts[start : start + model.max_texts]
        for items, result in await call_halving(group, call, BLAMING):
            if isinstance(result, PlatformError):
                rows.extend([result] * len(items))
            else:
                rows.extend(VectorRow(result, position) for position in range(len(items)))
    return rows


async def _answers(embed: Callable[[Sequence[str]], Awaitable[Vectors]]) -> bool:
    """Whether the model answers well to the control text."""
    try:
        await embed([CONTROL_TEXT])
    except PlatformError:
        return False
    return True


def checked(vectors: Vectors, *, count: int, model: EmbeddingModel) -> Vectors:
    """Return the vectors if their number and lengths are right and all components are finite.

    The order alone is not trusted: an answer with one vector too few would give each later text the
    vector of its neighbour.

    Raises:
        UnusableEmbeddings: a wrong count, a wrong length, or a component that is not finite.
    """
    lengths = vectors.lengths()
    if len(lengths) != count:
        message = f"{model.name} answered {len(lengths)} vectors for {count} texts"
        raise UnusableEmbeddings(message)
    wrong = {length for length in lengths if length != model.dimensions}
    if wrong:
        message = f"{model.name} answered vectors of {sorted(wrong)} instead of {model.dimensions}"
        raise UnusableEmbeddings(message)
    if not vectors.are_finite():
        message = f"{model.name} answered components that are no finite numbers"
        raise UnusableEmbeddings(message)
    return vectors


async def _load_vectors(database: Database, decided: Sequence[Decided]) -> list[Embedded]:
    """Load the vectors of the records that are indexed again: one D1 call for all of them.

    Raises:
        DatabaseError: D1 failed.
    """
    wanted = [item for item in decided if item.action is Action.REINDEX and item.error is None]
    collections = {item.record.collection.scope: item.record.collection for item in wanted}
    statements = [
        Statement(
            "SELECT t.organization_id, t.id, "  # noqa: S608 - names of the schema
            f'hex(t."{collection.embedding_column}") AS vectors '
            f'FROM json_each(?1) JOIN "{collection.sql_table}" t '
            "ON t.organization_id = json_each.value ->> 'organization' "
            "AND t.id = json_each.value ->> 'record'",
            (
                json.dumps(
                    [
                        {
                            "organization": item.record.organization_id,
                            "record": item.record.record_id,
                        }
                        for item in wanted
                        if item.record.collection is collection
                    ]
                ),
            ),
        )
        for collection in collections.values()
    ]
    answers = await database.batch(statements) if statements else []
    stored = {
        (scope, row["organization_id"], row["id"]): bytes.fromhex(row["vectors"])
        for scope, rows in zip(collections, answers, strict=True)
        for row in rows
    }
    return [
        _loaded(
            item,
            stored.get(
                (item.record.collection.scope, item.record.organization_id, item.record.record_id),
                b"",
            ),
        )
        if item.action is Action.REINDEX and item.error is None
        else Embedded(**vars(item))
        for item in decided
    ]


def _loaded(item: Decided, data: bytes) -> Embedded:
    dimensions = item.record.collection.model.dimensions
    if not item.chunks or len(data) != len(item.chunks) * dimensions * FLOAT32_BYTES:
        return Embedded(**vars(decide_to_embed(item.record)))
    vectors = StoredVectors(data, dimensions)
    rows = tuple(VectorRow(vectors, position) for position in range(len(item.chunks)))
    return Embedded(**vars(item), vectors=rows)
