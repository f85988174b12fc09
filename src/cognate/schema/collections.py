"""A collection: vectors that may be compared with each other, and the SQL table behind them.

Those of one user table are one; so are the texts that were posted without a table, one collection
for each model, because vectors of two models cannot be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cognate.errors import NotFound
from cognate.models import MODELS, EmbeddingModel
from cognate.ports import FLOAT32_BYTES
from cognate.schema.names import camel_case

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from cognate.ports import Row, Scalar
    from cognate.schema import Cognate, MetadataType, Table

TEXTS_PREFIX: Final = "_texts:"
"""Opens the scope of posted texts; no table's name can start with an underscore."""


@dataclass(frozen=True)
class Collection:
    """What the core needs to know of a table to embed its rows and to find them.

    Attributes:
        scope: names it in jobs and, as `table`, in the metadata of its vectors.
        sql_table: the table of the rows.
        model: the one model of all its vectors.
        fields: columns that are joined to the text that is embedded.
        separator: stands between them.
        embedding_column: holds the vectors of a row.
        metadata: column to metadata type, of what filters may ask for.
        soft_delete: whether a deleted row stays, with its `deleted_at` set.
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
    def live_record(self) -> str:
        """An SQL condition on `json_each`: organization ?1 has the record `value ->> 'record'`."""
        return (
            f'EXISTS (SELECT 1 FROM "{self.sql_table}" r WHERE r.organization_id = ?1 '  # noqa: S608 - a name of the schema
            f"AND r.id = json_each.value ->> 'record'{self.not_deleted})"
        )

    @property
    def not_deleted(self) -> str:
        """An SQL condition on a row `r`, opened by AND; empty where deleting removes the row."""
        return " AND r.deleted_at IS NULL" if self.soft_delete else ""

    @property
    def holds_vectors(self) -> str:
        """An SQL condition on a row `r` and its state `s`: the row has the vectors of its chunks.

        A row that was replaced by SQL has lost them.
        """
        size = self.model.dimensions * FLOAT32_BYTES
        return (
            f'COALESCE(length(r."{self.embedding_column}"), 0) = '
            f"json_array_length(s.chunks) * {size}"
        )

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read to embed a row, each once."""
        return tuple(dict.fromkeys((*self.fields, *self.metadata)))

    @cached_property
    def needed_columns(self) -> frozenset[str]:
        """The columns without which its rows cannot be embedded or found."""
        deleted = ["deleted_at"] if self.soft_delete else []
        return frozenset(("organization_id", "id", self.embedding_column, *self.columns, *deleted))

    @cached_property
    def filter_fields(self) -> dict[str, MetadataType]:
        """What filters may ask for, by the name that JSON and Vectorize use."""
        return {camel_case(column): kind for column, kind in self.metadata.items()}

    @cached_property
    def filter_columns(self) -> dict[str, str]:
        """The column of each name that filters may ask for."""
        return {camel_case(column): column for column in self.metadata}

    @property
    def table_name(self) -> str | None:
        """The name of the user's table; None for posted texts."""
        return None if self.scope.startswith(TEXTS_PREFIX) else self.scope

    def text_of(self, row: Row) -> str:
        """The text of a row that is embedded: its non-blank fields, joined; maybe empty."""
        # A column without text affinity may hold a number; a blob is no text.
        values = (row[field] for field in self.fields)
        texts = [str(value) for value in values if isinstance(value, str | int | float)]
        return self.separator.join(text for text in texts if text.strip())

    def metadata_of(self, row: Row) -> dict[str, Scalar]:
        """The metadata of a row by JSON name; what is null in the row is left out."""
        return {
            camel_case(column): bool(row[column]) if kind == "boolean" else row[column]
            for column, kind in self.metadata.items()
            if row[column] is not None
        }


def index_metadata(
    collection: Collection, organization_id: str, metadata: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """The metadata of a record's vectors in the index: its own, and the fence of a search.

    The organization and the table are set last, so that no field of the record can replace them.
    """
    return {**metadata, "organizationId": organization_id, "table": collection.scope}


def collection_of(table: Table) -> Collection | None:
    """The collection of a user's table; None when the table embeds nothing."""
    embeddings = table.embeddings
    if embeddings is None:
        return None
    return Collection(
        scope=table.name,
        sql_table=table.name,
        model=embeddings.embedding_model,
        fields=embeddings.fields,
        separator=embeddings.separator,
        embedding_column=embeddings.embedding_column,
        metadata=dict(zip(embeddings.metadata, table.metadata.values(), strict=True)),
        soft_delete=table.soft_delete,
    )


def texts_of(model: EmbeddingModel) -> Collection:
    """The collection of texts that were posted without a table and embedded by this model."""
    return Collection(
        scope=TEXTS_PREFIX + model.name,
        sql_table="cognate_texts",
        model=model,
        fields=("content",),
        separator="",
        embedding_column="embedding",
        metadata={},
    )


class Collections:
    """Every collection of a schema, by scope."""

    def __init__(self, app: Cognate, scopes: Container[str] | None = None) -> None:
        """Take the tables that embed something, and one collection of texts for each model.

        Args:
            app: the schema.
            scopes: to take only these of them.
        """
        self._app = app
        found = [collection_of(table) for table in app.tables.values()]
        found.extend(texts_of(model) for model in MODELS.values())
        self._by_scope = {
            item.scope: item
            for item in found
            if item is not None and (scopes is None or item.scope in scopes)
        }

    def only(self, scopes: Container[str]) -> Collections:
        """These of the collections, without the others."""
        return Collections(self._app, scopes)

    def __getitem__(self, scope: str) -> Collection:
        """The collection of this scope; `KeyError` when the schema has none."""
        return self._by_scope[scope]

    def get(self, scope: Any) -> Collection | None:  # noqa: ANN401 - what a message says it is
        """The collection of this scope, or None."""
        return self._by_scope.get(scope) if isinstance(scope, str) else None

    def of_table(self, name: str) -> Collection:
        """The collection of a user's table.

        Raises:
            NotFound: there is no such table, or it embeds nothing.
        """
        found = self._by_scope.get(name)
        if found is None or found.table_name is None:
            known = ", ".join(scope for scope in self._by_scope if not scope.startswith("_"))
            message = f"There is no such table with embeddings. There are: {known or 'none'}."
            raise NotFound("table", message)
        return found

    def all(self) -> list[Collection]:
        """Every collection: the tables' first, then the texts'."""
        return list(self._by_scope.values())
