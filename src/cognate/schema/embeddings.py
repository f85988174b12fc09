"""What of a table's records is embedded."""

from __future__ import annotations

from dataclasses import dataclass

from cognate.errors import DefinitionError
from cognate.models import DEFAULT_MODEL, EmbeddingModel, model_named
from cognate.schema.names import SERVER_COLUMNS, field_names, require_snake_case


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """What of a record is embedded, when, and by which model.

    Attributes:
        fields: the text fields that are joined, in this order.
        model: a name from `cognate.models.MODELS`.
        on_insert: embed a record when it is created.
        on_update: embed it again after a change: of any embedded field (True), never (False), or
            of the fields named here, which need not be embedded ones.
        embedding_column: the BLOB column of the stored vectors (float32, little-endian, one chunk
            after the other).
        separator: stands between the joined fields.
        metadata: fields copied to Vectorize, which similarity filters may use.
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
        """Check the options that can be judged without the record.

        Raises:
            DefinitionError: no field, a field named twice, an unknown model, a bad column name.
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
        """The catalogue's entry of `model`."""
        return model_named(self.model)

    @property
    def watched(self) -> frozenset[str]:
        """The fields whose change has a record embedded again."""
        if isinstance(self.on_update, tuple):
            return frozenset(self.on_update)
        return frozenset(self.fields) if self.on_update else frozenset()
