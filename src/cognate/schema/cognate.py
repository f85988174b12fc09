"""A whole schema: its tables, its similarity services, and the Vectorize indexes they need."""

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
"""Metadata indexes that one Vectorize index can have."""

Named = TypeVar("Named", Table, "Similarity")


@dataclass(frozen=True)
class IndexDefinition:
    """A Vectorize index that the deployment must have before the first vector is written.

    Attributes:
        binding: its name in `wrangler.toml`.
        name: its name in Vectorize.
        dimensions: components of its vectors.
        metadata_indexes: the properties that filters can use, with their types. A metadata index
            does not see vectors that were written before it was made.
        metric: how vectors are compared.
    """

    binding: str
    name: str
    dimensions: int
    metadata_indexes: dict[str, MetadataType] = field(default_factory=dict)
    metric: Literal["cosine"] = "cosine"


class Cognate:
    """The schema that `schema.py` exports as `app`.

    Attributes:
        tables: by name.
        similarities: by name.
        collections: of the tables with embeddings, and of the posted texts.
    """

    def __init__(self, *, tables: Sequence[Table], similarities: Sequence[Similarity] = ()) -> None:
        """Check that the definitions fit together.

        Raises:
            DefinitionError: two definitions have one name, a service searches a table that is not
                listed, metadata of one name has two types, or an index would need too many
                metadata indexes.
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
            NotFound: there is none. The message lists the tables.
        """
        if name in self.tables:
            return self.tables[name]
        known = ", ".join(self.tables) or "none"
        raise NotFound("table", f"There is no such table. The tables are: {known}.")

    def collection(self, table: str) -> Collection:
        """The collection of the table of this name.

        Raises:
            NotFound: there is no such table, or it has no embeddings.
        """
        found = self.table(table).collection
        if found is None:
            raise NotFound("table", f"The table {table!r} has no embeddings.")
        return found

    def similarity(self, name: str) -> Similarity:
        """The service of this name.

        Raises:
            NotFound: there is none. The message lists the services.
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
