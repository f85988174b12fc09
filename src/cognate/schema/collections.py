"""Collections: sets of vectors that may be compared with each other, and their SQL tables.

A table with embeddings has one collection, which is made with the table. The texts that were posted
without a table have one collection for each model, because vectors of two models cannot be
compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cognate.models import MODELS, EmbeddingModel
from cognate.ports import FLOAT32_BYTES
from cognate.schema.names import camel_case, quoted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from cognate.ports import Row, Scalar
    from cognate.schema.field_types import MetadataType

TEXTS_PREFIX: Final = "_texts:"
"""The start of a scope of posted texts. A table's name cannot start with an underscore."""


@dataclass(frozen=True)
class Collection:
    """The embedded rows of one SQL table.

    Some properties are SQL over a row `r` of the table and its state row `s` in
    `cognate_embeddings`.

    Attributes:
        scope: the collection's name in jobs, and `table` in the metadata of its vectors.
        sql_table: the table of the rows.
        model: the model of all its vectors.
        fields: the columns whose texts are joined and embedded.
        separator: the text between two of them.
        embedding_column: the column of the vectors.
        metadata: the columns that filters can use, with their types.
        soft_delete: whether a deleted row stays, with a `deleted_at`.
    """

    scope: str
    sql_table: str
    model: EmbeddingModel
    fields: tuple[str, ...]
    separator: str
    embedding_column: str
    metadata: Mapping[str, MetadataType]
    soft_delete: bool = False

    @property
    def table_name(self) -> str | None:
        """The name of the user's table; None for posted texts."""
        return None if self.scope.startswith(TEXTS_PREFIX) else self.scope

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read to embed a row, each once."""
        return tuple(dict.fromkeys((*self.fields, *self.metadata)))

    @cached_property
    def needed_columns(self) -> frozenset[str]:
        """The columns without which rows cannot be embedded or found."""
        deleted = ["deleted_at"] if self.soft_delete else []
        return frozenset(("organization_id", "id", self.embedding_column, *self.columns, *deleted))

    @cached_property
    def filter_columns(self) -> dict[str, str]:
        """The columns that filters can use, by their names in JSON and Vectorize."""
        return {camel_case(column): column for column in self.metadata}

    @cached_property
    def filter_fields(self) -> dict[str, MetadataType]:
        """The types of the columns that filters can use, by their names in JSON and Vectorize."""
        return {name: self.metadata[column] for name, column in self.filter_columns.items()}

    def text_of(self, row: Row) -> str:
        """The text of a row to embed: its fields that are not blank, joined. It may be empty."""
        # A column without text affinity may hold a number. A blob is not a text.
        values = (row[field] for field in self.fields)
        texts = [str(value) for value in values if isinstance(value, str | int | float)]
        return self.separator.join(text for text in texts if text.strip())

    def metadata_of(self, row: Row) -> dict[str, Scalar]:
        """The metadata of a row by JSON name, without null values."""
        return {
            name: bool(row[column]) if self.metadata[column] == "boolean" else row[column]
            for name, column in self.filter_columns.items()
            if row[column] is not None
        }

    def row_of(self, organization: str, record: str) -> str:
        """The row `r` of a record, with its condition, to follow JOIN; a deleted one has no row.

        Args:
            organization: an SQL expression, the organization's id.
            record: an SQL expression, the record's id.
        """
        return (
            f"{self._rows} ON r.organization_id = {organization} "
            f"AND r.id = {record}{self.not_deleted}"
        )

    @cached_property
    def has_record(self) -> str:
        """An SQL condition: the organization ?1 has the record `json_each.value ->> 'record'`."""
        return (
            f"EXISTS (SELECT 1 FROM {self._rows} WHERE r.organization_id = ?1 "  # noqa: S608 - a name of the schema
            f"AND r.id = json_each.value ->> 'record'{self.not_deleted})"
        )

    @cached_property
    def _rows(self) -> str:
        """The table in SQL, as `r`."""
        return f"{quoted(self.sql_table)} r"

    @cached_property
    def not_deleted(self) -> str:
        """An SQL condition that leaves out soft-deleted rows. It starts with AND, or is empty."""
        return " AND r.deleted_at IS NULL" if self.soft_delete else ""

    @cached_property
    def holds_vectors(self) -> str:
        """An SQL condition: the row has the vectors of all its chunks.

        A row that was replaced by SQL has lost them.
        """
        size = self.model.dimensions * FLOAT32_BYTES
        return (
            f"COALESCE(length(r.{quoted(self.embedding_column)}), 0) = "
            f"json_array_length(s.chunks) * {size}"
        )


def index_metadata(
    collection: Collection, organization_id: str, metadata: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """The metadata of a record's vectors in the index: the record's own, and the scope of a search.

    The organization and the table are set last, so that no field of the record can replace them.
    """
    return {**metadata, "organizationId": organization_id, "table": collection.scope}


POSTED_TEXTS: Final[Mapping[str, Collection]] = MappingProxyType(
    {
        model.name: Collection(
            scope=TEXTS_PREFIX + model.name,
            sql_table="cognate_texts",
            model=model,
            fields=("content",),
            separator="",
            embedding_column="embedding",
            metadata={},
        )
        for model in MODELS.values()
    }
)
"""The texts that were posted without a table, by the name of the model that embeds them."""


class Collections:
    """Collections by scope. `Cognate.collections` has all of a schema."""

    def __init__(self, collections: Iterable[Collection]) -> None:
        """Take collections of different scopes."""
        self._by_scope = {collection.scope: collection for collection in collections}

    def __iter__(self) -> Iterator[Collection]:
        """Every collection: the tables' first, then the texts'."""
        return iter(self._by_scope.values())

    def __getitem__(self, scope: str) -> Collection:
        """The collection of this scope; `KeyError` when there is none."""
        return self._by_scope[scope]

    def get(self, scope: object) -> Collection | None:
        """The collection of this scope, or None. A message can hold any value as its scope."""
        return self._by_scope.get(scope) if isinstance(scope, str) else None

    def only(self, scopes: Container[str]) -> Collections:
        """The collections of these scopes, without the others."""
        return Collections(collection for collection in self if collection.scope in scopes)
