"""The gaps of a deployment: missing settings, bindings, tables, columns and triggers."""

from __future__ import annotations

import pytest

from cognate.errors import ConfigurationError
from cognate.ports import Statement
from cognate.schema import Cognate, Embeddings, Record, Table
from cognate.schema.readiness import OWN_TABLES, Gap, database_gaps, index_gaps, setting_gaps
from cognate.settings import SECRET
from local.adapters.sqlite_database import SqliteDatabase
from tests.stage.platform import SCHEMA, Stage
from tests.stage.records import SCHEMA as ALL_KINDS
from tests.stage.records import TABLES, TRIGGERS


class Pet(Record):
    """A record of a table that no migration makes."""

    name: str
    owner: str | None = None


PETS = Cognate(
    tables=[
        Table("pets", Pet, soft_delete=True, embeddings=Embeddings(fields=["name"])),
    ]
)
COLUMNS = ["organization_id", "id", "name", "owner", "embedding"]
SERVER_COLUMNS = ["created_at", "updated_at", "deleted_at"]


async def _gaps(app: Cognate, *changes: str) -> list[Gap]:
    database = SqliteDatabase.migrated()
    await database.batch([Statement(sql) for sql in changes])
    return await database_gaps(database, app)


async def test_a_migrated_database_lacks_nothing() -> None:
    """This holds for the samples, and for tables with every option."""
    assert await _gaps(SCHEMA) == []
    made = [*filter(str.strip, TABLES.split(";")), *TRIGGERS]
    assert await _gaps(ALL_KINDS, *made) == []


async def test_a_table_without_its_migration_is_named_once() -> None:
    """One sentence names the table, and none names its columns."""
    message = "The database has no table 'pets': apply the migration that makes it."

    assert await _gaps(PETS) == [Gap("table", "pets", message)]


@pytest.mark.parametrize("missing", [*COLUMNS, *SERVER_COLUMNS])
async def test_each_column_is_needed(missing: str) -> None:
    """The columns are those of the record, of the embedding, and of Cognate itself."""
    columns = [name for name in (*COLUMNS, *SERVER_COLUMNS) if name != missing]

    gaps = await _gaps(PETS, f"CREATE TABLE pets ({', '.join(columns)})")
    [gap] = [gap for gap in gaps if gap.kind != "trigger"]

    assert (gap.kind, gap.name) == ("column", f"pets.{missing}")
    assert missing in gap.message


@pytest.mark.parametrize("missing", ["inserted", "changed", "deleted"])
async def test_each_trigger_is_needed(missing: str) -> None:
    """The message says where to find the SQL of the trigger."""
    name = f"claims_{missing}"

    [gap] = await _gaps(SCHEMA, f"DROP TRIGGER {name}")

    assert (gap.kind, gap.name) == ("trigger", name)
    assert "make migration" in gap.message


async def test_the_tables_of_cognate_are_needed_too() -> None:
    """`OWN_TABLES` lists all tables of the migrations and no others."""
    rows = await Stage().rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'cognate_%' "
        # Whoever applies the migrations keeps it.
        "AND name <> 'cognate_migrations'"
    )
    assert sorted(row["name"] for row in rows) == sorted(OWN_TABLES)
    [gap] = await _gaps(SCHEMA, "DROP TABLE cognate_texts")
    assert (gap.kind, gap.name) == ("table", "cognate_texts")


def test_settings_and_bindings_are_told_apart() -> None:
    """The message of a gap is that of the error."""
    broken = [ConfigurationError(SECRET, "Set it."), ConfigurationError("AI", "Bind it.")]

    assert setting_gaps(broken) == [
        Gap("setting", SECRET, "Set it."),
        Gap("binding", "AI", "Bind it."),
    ]


def test_vectorize_bindings_are_missed_one_by_one() -> None:
    """The posted texts need an index for each dimension, even if no table does."""
    indexes = dict(Stage().platform.indexes)
    assert index_gaps(SCHEMA, indexes) == []
    del indexes["VECTORIZE_384"]

    [gap] = index_gaps(SCHEMA, indexes)

    assert (gap.kind, gap.name) == ("binding", "VECTORIZE_384")
    assert "cognate-384" in gap.message
