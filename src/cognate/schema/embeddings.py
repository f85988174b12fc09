"""How the records of a table are embedded."""

from __future__ import annotations

from dataclasses import dataclass

from cognate.errors import DefinitionError
from cognate.models import DEFAULT_MODEL, EmbeddingModel, model_named
from cognate.schema.names import SERVER_COLUMNS, field_names, require_snake_case


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The fields of a record to embed, when to embed them, and by which model.

    Attributes:
        fields: the text fields, which are joined in this order and then embedded.
        model: a name from `cognate.models.MODELS`.
        on_insert: whether a new record is embedded.
        on_update: whether a changed record is embedded again. True: if an embedded field changed.
            Field names: if one of these fields changed, embedded or not. False: never.
        embedding_column: the BLOB column of the stored vectors: float32, little-endian, one chunk
            after the other.
        separator: the text between two joined fields.
        metadata: the fields that are copied to Vectorize. Similarity filters can use them.
    """

    fields: tuple[str, ...]
    model: str = DEFAULT_MODEL
    on_insert: bool = True
    on_update: bool | tuple[str, ...] = True
    embedding_column: str = "embedding"
    separator: str = " "
    metadata: tuple[str, ...] = ()

    def __init__(  # noqa: PLR0913 - the options of a definition, all but one with a default
        self,
        *,
        fields: list[str] | tuple[str, ...],
        model: str = DEFAULT_MODEL,
        on_insert: bool = True,
        on_update: bool | list[str] | tuple[str, ...] = True,
        embedding_column: str = "embedding",
        separator: str = " ",
        metadata: list[str] | tuple[str, ...] = (),
    ) -> None:
        """Check the options that need no knowledge of the record.

        Raises:
            DefinitionError: there is no field, a field is named twice, the model is unknown, or
                the column's name is not allowed.
        """
        named = {
            "fields": field_names("fields", fields),
            "metadata": field_names("metadata", metadata),
            "on_update": on_update
            if isinstance(on_update, bool)
            else field_names("on_update", on_update),
        }
        for option, value in named.items():
            object.__setattr__(self, option, value)
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "on_insert", on_insert)
        object.__setattr__(self, "embedding_column", embedding_column)
        object.__setattr__(self, "separator", separator)
        if not self.fields:
            message = "Embeddings(fields=[...]) needs at least one field to embed"
            raise DefinitionError(message)
        model_named(model)
        require_snake_case(embedding_column, "the embedding column")
        if embedding_column in SERVER_COLUMNS:
            message = f"the embedding column {embedding_column!r} is a column of Cognate's own"
            raise DefinitionError(message)

    @property
    def embedding_model(self) -> EmbeddingModel:
        """The model of this name in the catalogue."""
        return model_named(self.model)

    @property
    def watched(self) -> frozenset[str]:
        """The fields whose change makes Cognate embed a record again."""
        if isinstance(self.on_update, tuple):
            return frozenset(self.on_update)
        return frozenset(self.fields) if self.on_update else frozenset()
