"""Tables, their records, and what of them is embedded."""

from __future__ import annotations

import enum
import types
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from cognate.definitions.names import camel_case, require_snake_case
from cognate.errors import DefinitionError
from cognate.models import DEFAULT_MODEL, EmbeddingModel, model_named

if TYPE_CHECKING:
    from collections.abc import Iterable

MetadataType = Literal["string", "number", "boolean"]
"""What a Vectorize metadata index can hold."""

SERVER_COLUMNS: Final = frozenset(
    {"id", "organization_id", "created_at", "updated_at", "deleted_at", "revision"}
)
"""Columns that Cognate writes itself."""

SCOPE_METADATA: Final[dict[str, MetadataType]] = {"organizationId": "string", "table": "string"}
"""Metadata of every vector, set by Cognate: the fence of a search."""

RESERVED_TABLES: Final = frozenset(
    # The tables of Better Auth, then the paths below /api/v1 that are not tables.
    {"user", "session", "account", "verification", "organization", "member", "invitation", "apikey"}
    | {"embeddings", "similarity", "vectors"}
)


class Record(BaseModel):
    """The fields of one row that a user declares; `snake_case` here, `camelCase` in JSON.

    The columns `id`, `organization_id`, `created_at`, `updated_at` and the embedding belong to
    Cognate and are not declared.
    """

    model_config = ConfigDict(alias_generator=camel_case, populate_by_name=True, extra="forbid")


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
            "fields": _names("fields", fields),
            "metadata": _names("metadata", metadata),
            "on_update": on_update
            if isinstance(on_update, bool)
            else _names("on_update", on_update),
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


def _names(option: str, names: Iterable[object]) -> tuple[str, ...]:
    found = [name for name in names if isinstance(name, str)]
    # A text is iterable too, letter by letter.
    if isinstance(names, str) or found != list(names):
        message = f"{option} must be a list of field names, such as ['content']"
        raise DefinitionError(message)
    if len(set(found)) != len(found):
        message = f"{option} names a field twice: {', '.join(found)}"
        raise DefinitionError(message)
    return tuple(found)


class Table:
    """A D1 table of records that belong to organizations.

    Attributes:
        name: of the SQL table, and in the API's paths.
        record: the declared fields.
        embeddings: what is embedded; None for a table without vectors.
        metadata: what filters may ask for: JSON name to type.
    """

    def __init__(
        self, name: str, record: type[Record], *, embeddings: Embeddings | None = None
    ) -> None:
        """Check the definition against the record's fields.

        Raises:
            DefinitionError: it contradicts itself; the message says what to change.
        """
        self.name = name
        self.record = record
        self.embeddings = embeddings
        self._check_names()
        self.metadata: dict[str, MetadataType] = {}
        if embeddings is not None:
            self._check_embeddings(embeddings)
            self.metadata = {
                camel_case(field): self._metadata_type(field) for field in embeddings.metadata
            }

    def __repr__(self) -> str:
        """Short, for messages."""
        return f"Table({self.name!r})"

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The declared fields, in order."""
        return tuple(self.record.model_fields)

    def _check_names(self) -> None:
        require_snake_case(self.name, "the table")
        if self.name in RESERVED_TABLES or self.name.startswith(("cognate_", "sqlite_")):
            message = f"the table name {self.name!r} is taken by the platform; choose another"
            raise DefinitionError(message)
        record: object = self.record  # what an untyped schema passed may be anything
        if not (isinstance(record, type) and issubclass(record, Record)):
            message = f"the record of table {self.name!r} must be a subclass of cognate.Record"
            raise DefinitionError(message)
        for field in self.record.model_fields:
            require_snake_case(field, f"the field of {self.record.__name__}")
            if field in SERVER_COLUMNS:
                message = (
                    f"{self.record.__name__}.{field} is a column that Cognate writes itself: "
                    "remove it from the record"
                )
                raise DefinitionError(message)

    def _check_embeddings(self, embeddings: Embeddings) -> None:
        watched = embeddings.on_update if isinstance(embeddings.on_update, tuple) else ()
        for option, names in (
            ("fields", embeddings.fields),
            ("on_update", watched),
            ("metadata", embeddings.metadata),
        ):
            for name in names:
                if name not in self.record.model_fields:
                    message = (
                        f"table {self.name!r}: {option} names {name!r}, which is no field of "
                        f"{self.record.__name__}; it has {', '.join(self.fields)}"
                    )
                    raise DefinitionError(message)
        for name in embeddings.fields:
            if self._scalar_type(name) != "string":
                message = (
                    f"table {self.name!r}: the embedded field {name!r} must hold text "
                    "(str or str | None)"
                )
                raise DefinitionError(message)
        if embeddings.embedding_column in self.record.model_fields:
            message = (
                f"table {self.name!r}: the embedding column {embeddings.embedding_column!r} is "
                "also a field of the record; remove the field or rename the column"
            )
            raise DefinitionError(message)

    def _metadata_type(self, field: str) -> MetadataType:
        key = camel_case(field)
        if key in SCOPE_METADATA:
            message = (
                f"table {self.name!r}: the metadata {key!r} is set by Cognate itself; "
                f"rename the field {field!r} or leave it out of metadata"
            )
            raise DefinitionError(message)
        found = self._scalar_type(field)
        if found is None:
            message = (
                f"table {self.name!r}: the metadata field {field!r} must be str, int, float or "
                "bool (or one of these | None): Vectorize indexes nothing else"
            )
            raise DefinitionError(message)
        return found

    def _scalar_type(self, field: str) -> MetadataType | None:
        return _scalar_type(self.record.model_fields[field].annotation)


def _scalar_type(annotation: Any) -> MetadataType | None:  # noqa: ANN401 - any annotation at all
    """The metadata type of an annotation; None when it has none or more than one."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = {_scalar_type(arm) for arm in get_args(annotation) if arm is not types.NoneType}
        return kinds.pop() if len(kinds) == 1 else None
    if origin is Literal:
        kinds = {_scalar_type(type(value)) for value in get_args(annotation)}
        return kinds.pop() if len(kinds) == 1 else None
    if isinstance(annotation, type):
        if issubclass(annotation, enum.Enum) and not issubclass(annotation, (str, int, float)):
            return None
        for kind, found in (
            (bool, "boolean"),
            (str, "string"),
            (int, "number"),
            (float, "number"),
        ):
            if issubclass(annotation, kind):
                return found  # type: ignore[return-value]  # the tuple above holds the literals
    return None
