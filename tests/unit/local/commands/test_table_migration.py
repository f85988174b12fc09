"""`make migration` prints the SQL of a table of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.schema.ddl import migration_of
from local.commands.table_migration import print_migration
from schema import app

if TYPE_CHECKING:
    import pytest


def test_the_command_prints_a_table_of_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """It works for every table of the user's schema."""
    name, table = next(iter(app.tables.items()))

    assert print_migration(name) == 0
    assert capsys.readouterr().out == migration_of(table)


def test_the_command_names_the_tables_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """It does so without a name, or with the name of an unknown table."""
    assert print_migration("") == 1
    assert ", ".join(app.tables) in capsys.readouterr().err
