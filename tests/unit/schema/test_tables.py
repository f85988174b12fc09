"""Tables: a definition that contradicts its record is refused at once."""

from __future__ import annotations

import enum
from typing import Any, Literal

import pytest
from pydantic import Field, create_model

from cognate.errors import DefinitionError
from cognate.records.query import parse_list_query
from cognate.schema import Embeddings, Record, Table
from cognate.schema.names import REQUEST_NAMES
from cognate.schema.tables import RESERVED_TABLES


class Section(enum.StrEnum):
    """An enumeration of texts."""

    NEWS = "news"


class Article(Record):
    """A record with fields of every type."""

    title: str
    body: str | None = None
    section: Section | None = None
    status: Literal["draft", "public"] = "draft"
    year: int | None = None
    rating: float = 0.0
    is_public: bool = False
    tags: list[str] | None = None
    either: str | int = ""
    organization: str | None = None


def table(**options: Any) -> Table:
    """Make a table of articles."""
    return Table("articles", Article, embeddings=Embeddings(**{"fields": ["title"], **options}))


def test_metadata_has_json_names_and_index_types() -> None:
    """Optional fields, enumerations and booleans have a type too."""
    names = ["title", "body", "section", "status", "year", "rating", "is_public"]
    assert table(metadata=names).metadata == {
        "title": "string",
        "body": "string",
        "section": "string",
        "status": "string",
        "year": "number",
        "rating": "number",
        "isPublic": "boolean",
    }


@pytest.mark.parametrize(
    "options",
    [
        {"fields": ["nothing"]},
        {"metadata": ["nothing"]},
        {"on_update": ["nothing"]},
        {"fields": ["year"]},
        {"fields": ["tags"]},
        {"metadata": ["tags"]},
        {"metadata": ["either"]},
        {"embedding_column": "body"},
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_record_are_refused(options: dict[str, Any]) -> None:
    """The message names the table and the field."""
    with pytest.raises(DefinitionError, match="articles"):
        table(**options)


def test_fields_that_are_not_embedded_may_be_watched() -> None:
    """A change of such a field embeds the record again."""
    embeddings = table(on_update=["year"]).embeddings
    assert embeddings is not None
    assert embeddings.on_update == ("year",)


@pytest.mark.parametrize("name", [*sorted(RESERVED_TABLES), "cognate_jobs", "sqlite_x", "Claims"])
def test_a_name_of_the_platform_is_refused(name: str) -> None:
    """Such a name is used by Better Auth, by Cognate, or by a path of the API."""
    with pytest.raises(DefinitionError):
        Table(name, Article)


@pytest.mark.parametrize(
    "field", ["id", "organization_id", "created_at", "updated_at", "deleted_at", "revision"]
)
def test_a_column_of_ours_is_not_declared(field: str) -> None:
    """Cognate writes these columns itself, such as the organization of a record."""
    record = create_model("Odd", __base__=Record, **{field: (str, "")})  # type: ignore[call-overload]  # a name made here
    with pytest.raises(DefinitionError, match="remove it"):
        Table("odd", record)


@pytest.mark.parametrize("field", ["organization_id", "table"])
def test_the_fence_of_a_search_is_no_metadata(field: str) -> None:
    """Only the server sets these properties."""
    record = create_model("Odd", __base__=Record, content=(str, ""), **{field: (str, "")})  # type: ignore[call-overload]  # a name made here
    with pytest.raises(DefinitionError):
        Table("odd", record, embeddings=Embeddings(fields=["content"], metadata=[field]))


def test_a_record_must_be_a_record() -> None:
    """A schema without types can pass any value."""
    with pytest.raises(DefinitionError, match="must be a subclass"):
        Table("odd", dict)  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize("prefix", ["", "1st", "with-hyphen", "x" * 64])
def test_an_id_prefix_is_one_word(prefix: str) -> None:
    """Every id that the server makes starts with it."""
    with pytest.raises(DefinitionError, match="the id_prefix"):
        Table("articles", Article, id_prefix=prefix)


def test_a_field_has_no_alias_of_its_own() -> None:
    """Its name in JSON follows from its name in Python."""
    record = create_model("Odd", __base__=Record, title=(str, Field(alias="headline")))

    with pytest.raises(DefinitionError, match=r"Odd\.title has an alias.*in JSON it is 'title'"):
        Table("odd", record)


def test_no_two_fields_have_one_name_in_json() -> None:
    """A body could not tell the two fields apart."""
    record = create_model("Odd", __base__=Record, page2=(str, ""), page_2=(str, ""))

    with pytest.raises(DefinitionError, match=r"Odd\.page2 and Odd\.page_2 are both 'page2'"):
        Table("odd", record)


@pytest.mark.parametrize("name", ["limit", "cursor", "sort", "total", "filter"])
def test_a_field_cannot_be_called_as_a_parameter_of_a_list(name: str) -> None:
    """A filter by it could not be told from the parameter. The message says to rename it."""
    fields: dict[str, Any] = {name: (str | None, None)}
    record = create_model("Item", __base__=Record, **fields)

    with pytest.raises(DefinitionError, match=rf"Item\.{name} has the name of a parameter.*rename"):
        Table("items", record)


def test_every_parameter_of_a_list_is_reserved() -> None:
    """The reserved names are those that `parse_list_query` does not read as filters."""
    parameters = {"limit": ["1"], "sort": ["id"], "total": ["true"]}
    plain = Table("items", create_model("Item", __base__=Record, title=(str, "")))

    assert parse_list_query(plain, parameters).filters == []
    assert parameters.keys() | {"cursor"} <= REQUEST_NAMES
