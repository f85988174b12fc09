"""The SQL that is printed for a table makes what the Worker needs of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from cognate.schema import Embeddings, Record, Table
from cognate.schema.readiness import needed_columns
from cognate.schema.triggers import missing_triggers, triggers_of
from local.commands.table_migration import migration_of, print_migration
from local.setup.layout import ROOT
from schema import app
from tests.stage.platform import articles, claims

if TYPE_CHECKING:
    import pytest


class Order(Record):
    """A record whose fields have names of SQL, and every kind of value."""

    group: str
    select: int
    weight: float | None = None
    is_paid: bool
    day: str
    tags: list[str] | None = None


orders = Table("orders", Order, soft_delete=True, embeddings=Embeddings(fields=["group"]))


def test_the_sample_migration_is_what_is_printed() -> None:
    """Word for word: a user takes it as an example."""
    migration = (ROOT / "migrations" / "0003_create_sample_tables.sql").read_text("utf-8")

    assert migration.endswith(f"{migration_of(claims)}\n{migration_of(articles)}")


def test_the_table_has_the_columns_and_triggers_that_it_needs() -> None:
    """In the database that it makes, and nothing else."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(migration_of(orders))
        columns = connection.execute(
            'SELECT name, type, "notnull" FROM pragma_table_info(?)', ["orders"]
        )
        made = {name: (kind, bool(required)) for name, kind, required in columns}
        triggers = dict(
            connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        )

    assert sorted(made) == sorted(needed_columns(orders))
    assert missing_triggers(orders, triggers) == []
    assert triggers.keys() == triggers_of(orders).keys()
    assert {name: made[name] for name in orders.fields} == {
        "group": ("TEXT", True),
        "select": ("INTEGER", True),
        "weight": ("REAL", False),
        "is_paid": ("INTEGER", True),
        "day": ("TEXT", True),
        "tags": ("TEXT", False),
    }


def test_the_command_prints_a_table_of_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the schema is."""
    name, table = next(iter(app.tables.items()))

    assert print_migration(name) == 0
    assert capsys.readouterr().out == migration_of(table)


def test_the_command_names_the_tables_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Where none is named, or one that the schema does not have."""
    assert print_migration("") == 1
    assert ", ".join(app.tables) in capsys.readouterr().err
