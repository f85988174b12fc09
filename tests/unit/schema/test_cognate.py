"""A whole schema: its definitions fit together, and it names the indexes that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import create_model

from cognate.errors import DefinitionError, NotFound
from cognate.schema import Cognate, Embeddings, Record, Similarity, Table
from tests.demonstration import Claim
from tests.stage.platform import SCHEMA, articles, claim_similarity, claims

if TYPE_CHECKING:
    from cognate.schema import IndexDefinition

SMALL = "@cf/baai/bge-small-en-v1.5"


def table(name: str, fields: dict[str, type], model: str = SMALL) -> Table:
    """Make a table with these metadata fields."""
    options = {field: (kind | None, None) for field, kind in fields.items()}
    record = create_model(name.title(), __base__=Record, text=(str, ""), **options)  # type: ignore[call-overload]  # names made here
    embeddings = Embeddings(fields=["text"], model=model, metadata=list(fields))
    return Table(name, record, embeddings=embeddings)


def index(app: Cognate, binding: str) -> IndexDefinition:
    """Find the index of a binding."""
    return next(found for found in app.vector_indexes() if found.binding == binding)


def test_each_dimension_has_its_index() -> None:
    """Its metadata are those of the scope, and of the tables with a model of this dimension."""
    assert [
        (found.binding, found.dimensions, found.metric) for found in SCHEMA.vector_indexes()
    ] == [
        ("VECTORIZE_384", 384, "cosine"),
        ("VECTORIZE", 768, "cosine"),
        ("VECTORIZE_1024", 1024, "cosine"),
    ]
    scope = {"organizationId": "string", "table": "string"}
    assert index(SCHEMA, "VECTORIZE_384").metadata_indexes == {
        **scope,
        "section": "string",
        "year": "number",
    }
    assert index(SCHEMA, "VECTORIZE").metadata_indexes == {**scope, "storyId": "string"}
    assert index(SCHEMA, "VECTORIZE_1024").metadata_indexes == scope


def test_tables_may_share_metadata_of_one_type() -> None:
    """It uses one of the ten metadata indexes."""
    app = Cognate(tables=[table("a", {"year": int}), table("b", {"year": float})])
    assert index(app, "VECTORIZE_384").metadata_indexes["year"] == "number"


def test_one_name_of_two_types_is_refused() -> None:
    """A property has one type in an index, but another index may use another type."""
    one, other = table("a", {"year": int}), table("b", {"year": str})
    with pytest.raises(DefinitionError, match="rename one"):
        Cognate(tables=[one, other])
    Cognate(tables=[one, table("b", {"year": str}, "@cf/baai/bge-m3")])


def test_an_index_has_room_for_eight_fields_beside_the_scope() -> None:
    """Eight fields fit and a ninth is refused."""
    fields: dict[str, type] = {f"f{number}": str for number in range(9)}
    Cognate(tables=[table("a", dict(list(fields.items())[:8]))])
    with pytest.raises(DefinitionError, match="room for 8"):
        Cognate(tables=[table("a", fields)])


def test_two_of_one_name_are_refused() -> None:
    """The rule holds for tables and for services."""
    with pytest.raises(DefinitionError, match="two tables are called 'claims'"):
        Cognate(tables=[claims, Table("claims", Claim)])
    with pytest.raises(DefinitionError, match="two similarities are called"):
        Cognate(tables=[claims], similarities=[claim_similarity, claim_similarity])


def test_a_service_of_a_table_that_is_not_listed_is_refused() -> None:
    """A table with the same name does not count."""
    with pytest.raises(DefinitionError, match="add it there"):
        Cognate(tables=[articles], similarities=[claim_similarity])
    twin = Table("claims", Claim, embeddings=claims.embeddings)
    with pytest.raises(DefinitionError, match="add it there"):
        Cognate(tables=[twin], similarities=[Similarity("a", claims)])


def test_what_is_unknown_is_not_found() -> None:
    """The message lists the tables or the services."""
    with pytest.raises(NotFound, match="The tables are: claims, articles"):
        SCHEMA.table("nothing")
    with pytest.raises(NotFound, match="The services are: claimSimilarity"):
        SCHEMA.similarity("nothing")
    with pytest.raises(NotFound, match="none"):
        Cognate(tables=[]).table("claims")
