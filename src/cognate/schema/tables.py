"""Tables of records."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict

from cognate.errors import DefinitionError
from cognate.schema.access import Access
from cognate.schema.collections import Collection
from cognate.schema.field_types import FieldType, MetadataType, allows_none, field_type, scalar_type
from cognate.schema.guards import Guards
from cognate.schema.names import (
    REQUEST_NAMES,
    SERVER_COLUMNS,
    camel_case,
    require_snake_case,
)

if TYPE_CHECKING:
    from cognate.schema.embeddings import Embeddings
    from cognate.schema.owner import Owner

ID_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")

SCOPE_METADATA: Final[dict[str, MetadataType]] = {"organizationId": "string", "table": "string"}
"""Metadata that Cognate sets for every vector, to keep a search within one table of one
organization."""

RESERVED_TABLES: Final = frozenset(
    # The tables of Better Auth, then the paths below /api/v1 that are not tables.
    {"user", "session", "account", "verification", "organization", "member", "invitation", "apikey"}
    | {"embeddings", "similarity", "vectors"}
)


class Record(BaseModel):
    """The fields of a record that a user declares. Their names are `camelCase` in JSON.

    Cognate itself writes the columns `id`, `organization_id`, `created_at`, `updated_at` and the
    embedding. They are not declared.
    """

    model_config = ConfigDict(alias_generator=camel_case, populate_by_name=True, extra="forbid")


class Table:
    """A D1 table of records that belong to organizations.

    Attributes:
        name: of the SQL table, and in the API's paths.
        record: the class of the declared fields.
        embeddings: how records are embedded; None for a table without embeddings.
        access: the roles that may do each operation.
        guards: the fields that a caller may set.
        owner: the rule for a table whose records belong to their creators.
        soft_delete: whether a deleted row stays, with a `deleted_at`. The SQL table needs this
            column, and the id stays taken.
        id_prefix: the start of the ids that the server makes: `claims_01jcvw8m6y…`.
        metadata: the types of the fields that search filters can use, by JSON name.
        collection: the vectors of the table; None for a table without embeddings.
    """

    def __init__(  # noqa: PLR0913 - the options of a definition, all but two with a default
        self,
        name: str,
        record: type[Record],
        *,
        embeddings: Embeddings | None = None,
        access: Access | None = None,
        guards: Guards | None = None,
        owner: Owner | None = None,
        soft_delete: bool = False,
        id_prefix: str | None = None,
    ) -> None:
        """Check the definition against the record's fields.

        Raises:
            DefinitionError: the definition contradicts itself. The message says what to change.
        """
        self.name = name
        self.record = record
        self.embeddings = embeddings
        self.access = access or Access()
        self.guards = guards or Guards()
        self.owner = owner
        self.soft_delete = soft_delete
        self.id_prefix = name if id_prefix is None else id_prefix
        self._check_names()
        self._check_fields()
        self._check_guards()
        if owner is not None:
            self._check_owner(owner)
        self.metadata: dict[str, MetadataType] = {}
        if embeddings is not None:
            self._check_embeddings(embeddings)
            self.metadata = {
                camel_case(field): self._metadata_type(field) for field in embeddings.metadata
            }
        self.collection = None if embeddings is None else self._collection(embeddings)

    def __repr__(self) -> str:
        """A short form for messages."""
        return f"Table({self.name!r})"

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The declared fields, in order."""
        return tuple(self.record.model_fields)

    @cached_property
    def field_types(self) -> dict[str, FieldType]:
        """How the column of each declared field holds its values, in the order of the fields."""
        return {
            name: field_type(info.annotation) for name, info in self.record.model_fields.items()
        }

    @cached_property
    def json_names(self) -> dict[str, str]:
        """The JSON name of each declared field, in order."""
        return {field: camel_case(field) for field in self.fields}

    @cached_property
    def nullable(self) -> frozenset[str]:
        """The JSON names of the declared fields that may be null."""
        fields = self.record.model_fields.items()
        return frozenset(camel_case(name) for name, info in fields if allows_none(info.annotation))

    @cached_property
    def guarded(self) -> dict[Literal["create", "update"], frozenset[str]]:
        """The fields that no caller may set, by operation."""
        operations: tuple[Literal["create", "update"], ...] = ("create", "update")
        return {
            operation: frozenset(
                field
                for field in self.fields
                if field == self._owner_field or not self.guards.allows(operation, field)
            )
            for operation in operations
        }

    def _check_names(self) -> None:
        require_snake_case(self.name, "the table")
        if self.name in RESERVED_TABLES or self.name.startswith(("cognate_", "sqlite_")):
            message = f"the table name {self.name!r} is taken by the platform; choose another"
            raise DefinitionError(message)
        record: object = self.record  # an untyped schema can pass anything
        if not (isinstance(record, type) and issubclass(record, Record)):
            message = f"the record of table {self.name!r} must be a subclass of cognate.Record"
            raise DefinitionError(message)
        if not ID_PREFIX.fullmatch(self.id_prefix):
            raise DefinitionError(
                f"table {self.name!r}: the id_prefix {self.id_prefix!r} must be 1 to 63 letters, "
                "digits and underscores, starting with a letter"
            )

    def _check_fields(self) -> None:
        owner, known = self.record.__name__, dict[str, str]()
        for field, info in self.record.model_fields.items():
            require_snake_case(field, f"the field of {owner}")
            name = camel_case(field)
            if field in SERVER_COLUMNS:
                message = (
                    f"{owner}.{field} is a column that Cognate writes itself: "
                    "remove it from the record"
                )
                raise DefinitionError(message)
            if name in REQUEST_NAMES:
                raise DefinitionError(
                    f"{owner}.{field} has the name of a parameter of lists and searches: rename "
                    f"it; taken are {', '.join(sorted(REQUEST_NAMES))}"
                )
            if {info.alias, info.validation_alias, info.serialization_alias} != {name}:
                raise DefinitionError(
                    f"{owner}.{field} has an alias of its own; remove it: in JSON it is {name!r}"
                )
            if name in known:
                raise DefinitionError(
                    f"{owner}.{known[name]} and {owner}.{field} are both {name!r} in JSON: "
                    "rename one of them"
                )
            known[name] = field

    def _check_guards(self) -> None:
        for field in sorted(self.guards.named.difference(self.fields)):
            raise DefinitionError(
                f"table {self.name!r}: guards name {field!r}, which is no field of "
                f"{self.record.__name__}; it has {', '.join(self.fields)}"
            )
        for field, info in self.record.model_fields.items():
            settable = self.guards.allows("create", field)
            if info.is_required() and not settable and field != self._owner_field:
                raise DefinitionError(
                    f"table {self.name!r}: {field!r} is required, but the guards let nobody set it "
                    "when a record is created; give it a default or change the guards"
                )

    def _check_owner(self, owner: Owner) -> None:
        if (
            owner.field not in self.record.model_fields
            or self._scalar_type(owner.field) != "string"
        ):
            raise DefinitionError(
                f"table {self.name!r}: Owner({owner.field!r}) must name a text field of "
                f"{self.record.__name__}, such as `{owner.field}: str | None = None`"
            )
        if owner.field in self.guards.named - self.guards.never:
            raise DefinitionError(
                f"table {self.name!r}: {owner.field!r} is set by the server, for it says who owns "
                "a record; take it out of the guards"
            )
        if "read" in owner.only and self.embeddings is not None:
            raise DefinitionError(
                f"table {self.name!r}: records that only their owner may read cannot have "
                "embeddings, because a search looks at those of the whole organization; take "
                "'read' out of Owner(only=[...]) or leave out the embeddings"
            )

    @property
    def _owner_field(self) -> str | None:
        return None if self.owner is None else self.owner.field

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

    def _collection(self, embeddings: Embeddings) -> Collection:
        return Collection(
            scope=self.name,
            sql_table=self.name,
            model=embeddings.embedding_model,
            fields=embeddings.fields,
            separator=embeddings.separator,
            embedding_column=embeddings.embedding_column,
            metadata=dict(zip(embeddings.metadata, self.metadata.values(), strict=True)),
            soft_delete=self.soft_delete,
        )

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
        return scalar_type(self.record.model_fields[field].annotation)
