"""The whole of a schema: its tables, its services, and the Vectorize indexes they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from cognate.errors import DefinitionError, NotFound
from cognate.models import INDEX_BINDINGS
from cognate.schema.collections import POSTED_TEXTS, Collections
from cognate.schema.tables import SCOPE_METADATA, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cognate.schema.collections import Collection
    from cognate.schema.field_types import MetadataType
    from cognate.schema.similarities import Similarity

MAX_METADATA_INDEXES: Final = 10
"""Metadata indexes of one Vectorize index."""

Named = TypeVar("Named", Table, "Similarity")


@dataclass(frozen=True)
class IndexDefinition:
    """A Vectorize index that must exist before the first vector is written.

    Attributes:
        binding: as `wrangler.toml` names it.
        name: of the index itself.
        metadata_indexes: property to type; made before the first write, or they match nothing.
    """

    binding: str
    name: str
    dimensions: int
    metadata_indexes: dict[str, MetadataType] = field(default_factory=dict)
    metric: Literal["cosine"] = "cosine"


class Cognate:
    """What `schema.py` exports as `app`.

    Attributes:
        tables: by name.
        similarities: by name.
        collections: what is embedded, of the tables and of the texts that are posted without one.
    """

    def __init__(self, *, tables: Sequence[Table], similarities: Sequence[Similarity] = ()) -> None:
        """Check that the definitions fit together.

        Raises:
            DefinitionError: two of one name, a service of a table that is not listed, metadata of
                one name and two types, or more metadata than an index can filter by.
        """
        self.tables = _by_name("tables", tables)
        self.similarities = _by_name("similarities", similarities)
        for similarity in similarities:
            if self.tables.get(similarity.table.name) is not similarity.table:
                message = (
                    f"the similarity {similarity.name!r} searches {similarity.table!r}, which is "
                    "not in Cognate(tables=[...]): add it there"
                )
                raise DefinitionError(message)
        embedded = [table.collection for table in tables if table.collection is not None]
        self.collections = Collections([*embedded, *POSTED_TEXTS.values()])
        self._indexes = tuple(
            _index(binding, dimensions, tables) for dimensions, binding in INDEX_BINDINGS.items()
        )

    def table(self, name: str) -> Table:
        """The table of this name.

        Raises:
            NotFound: there is none; the message lists those there are.
        """
        if name in self.tables:
            return self.tables[name]
        known = ", ".join(self.tables) or "none"
        raise NotFound("table", f"There is no such table. The tables are: {known}.")

    def collection(self, table: str) -> Collection:
        """What is embedded of the table of this name.

        Raises:
            NotFound: there is no such table, or it embeds nothing.
        """
        found = self.table(table).collection
        if found is None:
            raise NotFound("table", f"The table {table!r} has no embeddings.")
        return found

    def similarity(self, name: str) -> Similarity:
        """The service of this name.

        Raises:
            NotFound: there is none; the message lists those there are.
        """
        if name in self.similarities:
            return self.similarities[name]
        known = ", ".join(self.similarities) or "none"
        message = f"There is no such similarity service. The services are: {known}."
        raise NotFound("service", message)

    def vector_indexes(self) -> tuple[IndexDefinition, ...]:
        """The Vectorize indexes that this schema and the posted texts need."""
        return self._indexes


def _by_name(what: str, definitions: Sequence[Named]) -> dict[str, Named]:
    named: dict[str, Named] = {}
    for definition in definitions:
        if definition.name in named:
            message = f"two {what} are called {definition.name!r}: rename one of them"
            raise DefinitionError(message)
        named[definition.name] = definition
    return named


def _index(binding: str, dimensions: int, tables: Sequence[Table]) -> IndexDefinition:
    metadata: dict[str, MetadataType] = dict(SCOPE_METADATA)
    for table in tables:
        if table.embeddings is None or table.embeddings.embedding_model.dimensions != dimensions:
            continue
        for key, kind in table.metadata.items():
            if metadata.setdefault(key, kind) != kind:
                message = (
                    f"table {table.name!r}: the metadata {key!r} is a {kind} here and a "
                    f"{metadata[key]} in another table of the same index ({binding}): rename one"
                )
                raise DefinitionError(message)
    if len(metadata) > MAX_METADATA_INDEXES:
        room = MAX_METADATA_INDEXES - len(SCOPE_METADATA)
        message = (
            f"the tables of index {binding} declare {len(metadata) - len(SCOPE_METADATA)} metadata "
            f"fields, but Vectorize has room for {room}: declare fewer, or move a table to a model "
            "of another dimension"
        )
        raise DefinitionError(message)
    return IndexDefinition(binding, f"cognate-{dimensions}", dimensions, metadata)
